/* cuBLAS: loaded at run time, and the three products of a layer. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#include "cuda/cuda.h"
#include "util/error.h"

/* The functions of cuBLAS that are used. X(name, result, arguments). The list makes the pointers, and finds them. */
#define BLAS_CALLS(X)                                                                                                  \
  X(cublasCreate_v2, cublasStatus_t, (cublasHandle_t*))                                                                \
  X(cublasDestroy_v2, cublasStatus_t, (cublasHandle_t))                                                                \
  X(cublasSetStream_v2, cublasStatus_t, (cublasHandle_t, cudaStream_t))                                                \
  X(cublasSetWorkspace_v2, cublasStatus_t, (cublasHandle_t, void*, size_t))                                            \
  X(cublasGetStatusString, const char*, (cublasStatus_t))                                                              \
  X(cublasGemmStridedBatchedEx, cublasStatus_t,                                                                        \
    (cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int, const void*, const void*, cudaDataType, int, \
     long long, const void*, cudaDataType, int, long long, const void*, void*, cudaDataType, int, long long, int,      \
     cublasComputeType_t, cublasGemmAlgo_t))

static struct {
#define BLAS_MEMBER(name, result, arguments) result(*name) arguments;
  BLAS_CALLS(BLAS_MEMBER)
#undef BLAS_MEMBER
  char failed[512]; /* why the library could not be loaded; "": it is loaded */
} blas;
static pthread_once_t once = PTHREAD_ONCE_INIT;

#ifdef SAC_CUDA_HOST
/* Host execution (cuda-host) has its own cuBLAS, which is linked. */
static void load(void) {
#define BLAS_LINKED(name, result, arguments) blas.name = name;
  BLAS_CALLS(BLAS_LINKED)
#undef BLAS_LINKED
}
#else
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
static const char library[] = "libcublas.so." TEXT(CUBLAS_VER_MAJOR);

/* Loads the library. dlopen gets the name without a folder: it then searches the build's run path, LD_LIBRARY_PATH and
 * the system's folders. The library stays loaded, because it must not be unloaded while a CUDA context exists. */
static void load(void) {
  /* load the library */
  void* handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    (void)snprintf(blas.failed, sizeof blas.failed, "%s", dlerror());
    return;
  }

  /* find the functions; the last one that is missing is reported */
#define BLAS_FIND(name, result, arguments)    \
  *(void**)&blas.name = dlsym(handle, #name); \
  if (!blas.name) (void)snprintf(blas.failed, sizeof blas.failed, "%s has no %s", library, #name);
  BLAS_CALLS(BLAS_FIND)
#undef BLAS_FIND
}
#endif

/* Returns OK, or the error that a call of cuBLAS gave. */
static sac_status check(cublasStatus_t code, const char* what) {
  if (code == CUBLAS_STATUS_SUCCESS) return SAC_OK;

  /* cuBLAS may also report NOT_INITIALIZED when the device's memory does not suffice for its handle */
  if (code == CUBLAS_STATUS_ALLOC_FAILED || code == CUBLAS_STATUS_NOT_INITIALIZED)
    return sac_fail(SAC_ERROR_MEMORY, "cuBLAS: %s: %s (%d): lower replay.capacity, or free memory on the device", what,
                    blas.cublasGetStatusString(code), (int)code);
  return sac_fail(SAC_ERROR_DEVICE, "cuBLAS: %s: %s (%d)", what, blas.cublasGetStatusString(code), (int)code);
}

int sac_cuda_blas_loads(void) {
  (void)pthread_once(&once, load);
  return !blas.failed[0];
}

sac_status sac_cuda_blas_create(cublasHandle_t* handle, cudaStream_t stream, void* workspace, size_t bytes) {
  sac_status status = SAC_OK;
  *handle = NULL;

  /* load the library, once for the process */
  if (!sac_cuda_blas_loads())
    return sac_fail(SAC_ERROR_DEVICE, "cuBLAS cannot be loaded: %s; scripts/setup --cuda installs it", blas.failed);

  SAC_TRY(check(blas.cublasCreate_v2(handle), "create"));

  /* setting the stream resets the workspace, so the stream comes first */
  SAC_TRY(check(blas.cublasSetStream_v2(*handle, stream), "set stream"));
  SAC_TRY(check(blas.cublasSetWorkspace_v2(*handle, workspace, bytes), "set workspace"));
  return SAC_OK;
fail:
  sac_cuda_blas_destroy(*handle);
  *handle = NULL;
  return status;
}

void sac_cuda_blas_destroy(cublasHandle_t handle) {
  if (handle) (void)blas.cublasDestroy_v2(handle);
}

/* cuBLAS is column-major: a row-major (r, c) matrix is a column-major (c, r) matrix with leading dimension c. */
sac_status sac_cuda_product(cublasHandle_t handle, sac_precision precision, sac_product product, int32_t count,
                            int32_t rows, int32_t out, int32_t in, sac_matrices a, sac_matrices b, float* to,
                            size_t to_stride) {
  static const cublasComputeType_t compute[] = {[SAC_FP32] = CUBLAS_COMPUTE_32F,
                                                [SAC_TF32] = CUBLAS_COMPUTE_32F_FAST_TF32,
                                                [SAC_BF16] = CUBLAS_COMPUTE_32F_FAST_16BF};
  const float one = 1, zero = 0; /* to = 1 * product + 0 * to */

  /* the product as cuBLAS sees it: (m, n) = op_a(a) (m, k) op_b(b) (k, n) */
  int m = 0, n = 0, k = 0, lda = 0, ldb = 0;
  cublasOperation_t op_a = CUBLAS_OP_N, op_b = CUBLAS_OP_N;
  switch (product) {
    case SAC_PRODUCT_FORWARD: /* y^T (out, rows) = weight (out, in) x^T (in, rows) */
      m = out, n = rows, k = in, lda = in, ldb = in, op_a = CUBLAS_OP_T;
      break;
    case SAC_PRODUCT_BACKWARD: /* dx^T (in, rows) = weight^T (in, out) d^T (out, rows) */
      m = in, n = rows, k = out, lda = in, ldb = out;
      break;
    case SAC_PRODUCT_GRADIENT: /* g^T (in, out) = x^T (in, rows) d (rows, out) */
      m = in, n = out, k = rows, lda = in, ldb = out, op_b = CUBLAS_OP_T;
      break;
  }

  /* inputs, sums and results are fp32; `compute` says how inputs are rounded */
  return check(
      blas.cublasGemmStridedBatchedEx(handle, op_a, op_b, m, n, k, &one, a.data, CUDA_R_32F, lda, (long long)a.stride,
                                      b.data, CUDA_R_32F, ldb, (long long)b.stride, &zero, to, CUDA_R_32F, m,
                                      (long long)to_stride, count, compute[precision], CUBLAS_GEMM_DEFAULT),
      "product");
}
