// The host execution of cuBLAS (tests/support/cuda_host) against a plain loop, to the bit.
#include <thread>

#include <cublas_v2.h>

#include "support/cuda_host/check_cuda.h"

#define BLAS(call) ck_assert_msg((call) == CUBLAS_STATUS_SUCCESS, "%s failed", #call)

static float tf32(float x) { return float_of(sac_to_tf32(x)); }
static float bf16(float x) {
  const uint32_t b = bits_of(x), low = b & 0xffff;
  return float_of((b & 0xffff0000u) + (low > 0x8000 || (low == 0x8000 && (b >> 16 & 1)) ? 0x10000u : 0));
}
static float exact(float x) { return x; }
typedef float (*rounding)(float);

struct shape {
  int m, n, k, batch;
};
static const shape shapes[] = {{1, 1, 1, 1}, {31, 7, 17, 3}, {16, 6, 8, 2}, {64, 33, 257, 1}, {3, 50, 0, 2}};
#define SHAPES (sizeof shapes / sizeof *shapes)
START_TEST(products) {
  // every combination of transposed operands, precisions, and a C that is added
  const shape s = shapes[_i];
  const size_t m = (size_t)s.m, n = (size_t)s.n, k = (size_t)s.k, batch = (size_t)s.batch;
  cublasHandle_t blas;
  BLAS(cublasCreate(&blas));
  uint64_t state = 3;
  const struct {
    cublasComputeType_t compute;
    rounding round;
  } kinds[] = {{CUBLAS_COMPUTE_32F, exact}, {CUBLAS_COMPUTE_32F_FAST_TF32, tf32}, {CUBLAS_COMPUTE_32F_FAST_16BF, bf16}};
  for (int ops = 0; ops < 4; ops++)
    for (const auto& kind : kinds)
      for (int with_c = 0; with_c < 2; with_c++) {
        // leading dimensions and strides with gaps
        const bool ta = ops & 1, tb = ops & 2;
        const size_t lda = (ta ? k : m) + 2, ldb = (tb ? n : k) + 1, ldc = m + 3;
        const size_t sa = lda * ((ta ? m : k) + 1), sb = ldb * (tb ? k : n) + 5, sc = ldc * n + 1;
        std::vector<float> a(sa * batch), b(sb * batch), c(sc * batch);
        for (float& x : a) x = random_float(&state);
        for (float& x : b) x = random_float(&state);
        for (float& x : c) x = with_c ? random_float(&state) : NAN;  // with beta 0, C is not read
        const float alpha = with_c ? 0.5f : 1, beta = with_c ? -2 : 0;

        // the product on the "device"
        float *da = device_array<float>(a.size()), *db = device_array<float>(b.size()),
              *dc = device_array<float>(c.size());
        write(da, a), write(db, b), write(dc, c);
        BLAS(cublasGemmStridedBatchedEx(blas, ta ? CUBLAS_OP_T : CUBLAS_OP_N, tb ? CUBLAS_OP_T : CUBLAS_OP_N, s.m, s.n,
                                        s.k, &alpha, da, CUDA_R_32F, (int)lda, (long long)sa, db, CUDA_R_32F, (int)ldb,
                                        (long long)sb, &beta, dc, CUDA_R_32F, (int)ldc, (long long)sc, s.batch,
                                        kind.compute, CUBLAS_GEMM_DEFAULT));

        // the same sums, rounded as the precision rounds; the gaps of C stay
        const auto got = read_back(dc, c.size());
        for (size_t e = 0; e < batch; e++)
          for (size_t j = 0; j < n; j++)
            for (size_t i = 0; i < ldc; i++) {
              const size_t at = e * sc + j * ldc + i;
              float expected = c[at];
              if (i < m) {
                float sum = 0;
                for (size_t p = 0; p < k; p++) {
                  const float x = a[e * sa + (ta ? p + i * lda : i + p * lda)],
                              y = b[e * sb + (tb ? j + p * ldb : p + j * ldb)];
                  sum += kind.round(x) * kind.round(y);
                }
                expected = with_c ? alpha * sum + beta * c[at] : alpha * sum;
              }
              ck_assert_msg(bits_of(got[at]) == bits_of(expected) || (isnan(expected) && isnan(got[at])),
                            "entry %zu, row %zu, column %zu: %.9g, not %.9g", e, i, j, got[at], expected);
            }
        OK(cudaFree(da)), OK(cudaFree(db)), OK(cudaFree(dc));
      }
  BLAS(cublasDestroy(blas));
  nothing_left();
}
END_TEST

START_TEST(product_arguments) {
  cublasHandle_t blas;
  float *x = device_array<float>(64), host[4];
  const float one = 1;
  BLAS(cublasCreate(&blas));
  const auto gives = [&](int lda, int ldb, int ldc, long long stride_c, const float* a, cublasStatus_t status) {
    ck_assert_int_eq(cublasSgemmStridedBatched(blas, CUBLAS_OP_N, CUBLAS_OP_N, 4, 2, 3, &one, a, lda, 0, x, ldb, 0,
                                               &one, x + 32, ldc, stride_c, 2),
                     status);
  };
  gives(4, 3, 4, 8, x, CUBLAS_STATUS_SUCCESS);
  gives(3, 3, 4, 8, x, CUBLAS_STATUS_INVALID_VALUE);
  gives(4, 2, 4, 8, x, CUBLAS_STATUS_INVALID_VALUE);
  gives(4, 3, 3, 8, x, CUBLAS_STATUS_INVALID_VALUE);
  gives(4, 3, 4, 7, x, CUBLAS_STATUS_INVALID_VALUE);     // entries of C overlap
  gives(4, 3, 4, 32, x, CUBLAS_STATUS_INVALID_VALUE);    // beyond the allocation
  gives(4, 3, 4, 8, host, CUBLAS_STATUS_INVALID_VALUE);  // pageable
  ck_assert_int_eq(cublasSgemm(NULL, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, x, 1, x, 1, &one, x, 1),
                   CUBLAS_STATUS_NOT_INITIALIZED);
  ck_assert_int_eq(cublasSetWorkspace(blas, x + 1, 64), CUBLAS_STATUS_INVALID_VALUE);
  BLAS(cublasSetWorkspace(blas, x, 64));
  // TF32 by the handle's mode
  BLAS(cublasSetMathMode(blas, CUBLAS_TF32_TENSOR_OP_MATH));
  const float third = 1.0f / 3, zero = 0;
  float* y = device_array<float>(2);
  write(y, std::vector<float>{third, 1});
  BLAS(cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, y, 1, y + 1, 1, &zero, y + 1, 1));
  ck_assert_uint_eq(bits_of(read_back(y, 2)[1]), bits_of(tf32(third)));
  ck_assert(tf32(third) != third);
  BLAS(cublasDestroy(blas));
  OK(cudaFree(x)), OK(cudaFree(y));
  nothing_left();
}
END_TEST

// To give a handle back waits for the device, which no capture survives, on whichever thread it is.
START_TEST(destroy_ends_captures) {
  cublasHandle_t blas;
  cudaStream_t stream;
  cudaGraph_t graph;
  BLAS(cublasCreate(&blas));
  OK(cudaStreamCreate(&stream));
  OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  std::thread([&] { ck_assert_int_eq(cublasDestroy(blas), CUBLAS_STATUS_EXECUTION_FAILED); }).join();
  ck_assert_int_eq(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
  ck_assert_ptr_null(graph);
  (void)cudaGetLastError();
  OK(cudaStreamDestroy(stream));
  nothing_left();
}
END_TEST

CHECK_MAIN("cuda_host_products", LOOP(products, SHAPES), CASE(product_arguments), CASE(destroy_ends_captures))
