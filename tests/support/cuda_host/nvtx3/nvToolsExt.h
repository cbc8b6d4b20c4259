/* Ranges for a profiler: their names are kept, for sac_cuda_host_range (cuda_host.h). */
#ifndef TESTS_SUPPORT_CUDA_HOST_NVTX3_NVTOOLSEXT_H
#define TESTS_SUPPORT_CUDA_HOST_NVTX3_NVTOOLSEXT_H

#ifdef __cplusplus
extern "C" {
#endif
int nvtxRangePushA(const char* name);
int nvtxRangePop(void);
void nvtxMarkA(const char* name);
#define nvtxRangePush nvtxRangePushA
#define nvtxMark nvtxMarkA
#ifdef __cplusplus
}
#endif
#endif
