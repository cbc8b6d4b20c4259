// See cublas_v2.h. This file reads operands and writes results, so that sanitizers check it; gemm.cpp only computes.
#include <cublas_v2.h>

#include "gemm.h"
#include "internal.h"

struct cublasContext {
  int device;
  cudaStream_t stream = nullptr;
  cublasMath_t math = CUBLAS_DEFAULT_MATH;
  void* workspace = nullptr;
  size_t workspace_size = 0;
};

namespace cuda_host {
namespace {

std::map<cublasHandle_t, std::unique_ptr<cublasContext>> handles;

enum class precision { f32, tf32, bf16 };
float rounded(float x, precision p) {
  uint32_t bits;
  if (p == precision::f32) return x;
  if (p == precision::tf32) {
    bits = sac_to_tf32(x);
  } else {
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u) bits = 0x7fff0000u;
    else bits = (bits + 0x7fffu + (bits >> 16 & 1)) & 0xffff0000u;  // to nearest, ties to even
  }
  memcpy(&x, &bits, sizeof x);
  return x;
}

struct matrix {
  const float* data;
  bool transposed;
  size_t ld, rows, columns;  // of op(data)
  int64_t stride;
  size_t stored_extent() const {
    return rows && columns ? ((transposed ? rows : columns) - 1) * ld + (transposed ? columns : rows) : 0;
  }
  float at(const float* entry, size_t i, size_t j) const { return transposed ? entry[j + i * ld] : entry[i + j * ld]; }
};
struct product {
  matrix a, b;
  float* c;
  size_t ldc;
  int64_t stride_c;
  int batch;
  float alpha, beta;
  precision how;
};

// Packs op(A) in panels of tile_rows rows and op(B) in panels of tile_columns columns, with k as the inner index. Short
// panels are filled with zeros.
void pack(const matrix& x, const float* entry, bool by_rows, size_t tile, precision how, std::vector<float>* packed) {
  const size_t n = by_rows ? x.rows : x.columns, k = by_rows ? x.columns : x.rows, panels = (n + tile - 1) / tile;
  packed->assign(panels * tile * k, 0);
  float* out = packed->data();
  for (size_t panel = 0; panel < panels; panel++)
    for (size_t p = 0; p < k; p++, out += tile)
      for (size_t i = 0; i < tile && panel * tile + i < n; i++)
        out[i] = rounded(by_rows ? x.at(entry, panel * tile + i, p) : x.at(entry, p, panel * tile + i), how);
}

// Computes a batch of products.
void multiply(const product& q) {
  const size_t m = q.a.rows, n = q.b.columns, k = q.a.columns;
  static std::vector<float> a, b;
  for (int entry = 0; entry < q.batch; entry++) {
    const bool reads = q.alpha != 0 && k;
    if (reads) pack(q.a, q.a.data + entry * q.a.stride, true, tile_rows, q.how, &a);
    if (reads) pack(q.b, q.b.data + entry * q.b.stride, false, tile_columns, q.how, &b);

    // Tile by tile.
    float* c = q.c + entry * q.stride_c;
    for (size_t j0 = 0; j0 < n; j0 += tile_columns)
      for (size_t i0 = 0; i0 < m; i0 += tile_rows) {
        float sum[tile_columns][tile_rows] = {};
        if (reads) gemm_tile(k, a.data() + i0 * k, b.data() + j0 * k, sum[0]);
        for (size_t j = j0; j < j0 + tile_columns && j < n; j++)
          for (size_t i = i0; i < i0 + tile_rows && i < m; i++) {
            const float x = reads ? q.alpha * sum[j - j0][i - i0] : 0;
            float& y = c[i + j * q.ldc];
            y = q.beta == 0 ? x : x + q.beta * y;
          }
      }
  }
}

// Checks that all entries of a batch lie in one allocation that kernels may access.
bool reachable(const float* data, int64_t stride, int batch, size_t extent) {
  if (!extent) return true;
  const int64_t last = stride * (batch - 1);
  const float* low = last < 0 ? data + last : data;
  const place at = where(low, (static_cast<size_t>(last < 0 ? -last : last) + extent) * sizeof *data);
  return at == place::device || at == place::pinned;
}

// An entry point: counts the call, and returns an injected error as a status of cuBLAS.
template <typename F>
cublasStatus_t entry(unsigned what, F body) {
  std::lock_guard<std::recursive_mutex> guard(lock());
  int error = injected();
  if (error) {
    bool known = false;
#define KNOWN(name, value, text) known = known || error == (value);
    CUDA_HOST_CUBLAS_STATUSES(KNOWN)
#undef KNOWN
    if (!known) error = CUBLAS_STATUS_EXECUTION_FAILED;
  }
  if (!error && !(what & anywhere) && usable()) error = CUBLAS_STATUS_EXECUTION_FAILED;
  if (error && !(what & releases)) return static_cast<cublasStatus_t>(error);
  const cublasStatus_t status = body();
  return error ? static_cast<cublasStatus_t>(error) : status;
}
// An entry point with a handle.
template <typename F>
cublasStatus_t with(cublasHandle_t handle, F body) {
  return entry(plain, [&] {
    const auto it = handles.find(handle);
    return it == handles.end() ? CUBLAS_STATUS_NOT_INITIALIZED : body(*it->second);
  });
}

bool operation(cublasOperation_t op) { return op == CUBLAS_OP_N || op == CUBLAS_OP_T || op == CUBLAS_OP_C; }

// Checks the arguments of a product, and queues it.
cublasStatus_t gemm(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m, int n, int k,
                    const float* alpha, const float* a, int lda, int64_t stride_a, const float* b, int ldb,
                    int64_t stride_b, const float* beta, float* c, int ldc, int64_t stride_c, int batch,
                    cublasComputeType_t compute) {
  return with(handle, [&](cublasContext& h) {
    if (!operation(op_a) || !operation(op_b) || m < 0 || n < 0 || k < 0 || batch < 0)
      return CUBLAS_STATUS_INVALID_VALUE;
    const bool ta = op_a != CUBLAS_OP_N, tb = op_b != CUBLAS_OP_N;
    if (lda < std::max(1, ta ? k : m) || ldb < std::max(1, tb ? n : k) || ldc < std::max(1, m))
      return CUBLAS_STATUS_INVALID_VALUE;
    if (!m || !n || !batch) return CUBLAS_STATUS_SUCCESS;
    if (!alpha || !beta || !c || (k && *alpha != 0 && (!a || !b))) return CUBLAS_STATUS_INVALID_VALUE;

    // The product, and whether its matrices are inside allocations.
    product q = {};
    q.a = {a, ta, static_cast<size_t>(lda), static_cast<size_t>(m), static_cast<size_t>(k), stride_a};
    q.b = {b, tb, static_cast<size_t>(ldb), static_cast<size_t>(k), static_cast<size_t>(n), stride_b};
    q.c = c;
    q.ldc = static_cast<size_t>(ldc);
    q.stride_c = stride_c;
    q.batch = batch;
    q.alpha = *alpha;
    q.beta = *beta;
    const size_t extent = static_cast<size_t>(n - 1) * q.ldc + static_cast<size_t>(m);
    if (batch > 1 && static_cast<size_t>(stride_c < 0 ? -stride_c : stride_c) < extent)
      return CUBLAS_STATUS_INVALID_VALUE;
    const bool reads = k && q.alpha != 0;
    if (!reachable(c, stride_c, batch, extent) || (reads && !reachable(a, stride_a, batch, q.a.stored_extent())) ||
        (reads && !reachable(b, stride_b, batch, q.b.stored_extent())))
      return CUBLAS_STATUS_INVALID_VALUE;

    // The precision of the operands.
    switch (compute) {
      case CUBLAS_COMPUTE_32F:
        q.how = h.math == CUBLAS_TF32_TENSOR_OP_MATH ? precision::tf32 : precision::f32;
        break;
      case CUBLAS_COMPUTE_32F_PEDANTIC:
        q.how = precision::f32;
        break;
      case CUBLAS_COMPUTE_32F_FAST_TF32:
        q.how = precision::tf32;
        break;
      case CUBLAS_COMPUTE_32F_FAST_16BF:
        q.how = precision::bf16;
        break;
      default:
        return CUBLAS_STATUS_NOT_SUPPORTED;
    }

    // Queue it. Like cuBLAS it writes to its workspace.
    const stream_ref s = find_stream(h.stream);
    if (!s) return CUBLAS_STATUS_EXECUTION_FAILED;
    node todo;
    todo.type = cudaGraphNodeTypeKernel;
    const int device = s->device;
    void* const workspace = h.workspace;
    const size_t scribbled = std::min<size_t>(h.workspace_size, 4096);
    todo.run = [q, device, workspace, scribbled] {
      count_launch("gemm");
      if (fault_wanted("gemm")) {
        fault(device, cudaErrorIllegalAddress, "gemm: injected fault");
        return cudaErrorIllegalAddress;
      }
      const opened open(device);
      if (scribbled) memset(workspace, poison, scribbled);
      multiply(q);
      return cudaSuccess;
    };
    return enqueue(s, std::move(todo)) ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
  });
}

}  // namespace

size_t live_handles() { return handles.size(); }
void release_handles() { handles.clear(); }

}  // namespace cuda_host

using namespace cuda_host;

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  return entry(anywhere, [&] {
    if (!handle) return CUBLAS_STATUS_INVALID_VALUE;
    *handle = nullptr;
    if (usable() || refuse_in_capture()) return CUBLAS_STATUS_NOT_INITIALIZED;
    auto h = std::make_unique<cublasContext>();
    h->device = current_device();
    *handle = h.get();
    handles[*handle] = std::move(h);
    return CUBLAS_STATUS_SUCCESS;
  });
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  return entry(releases, [&] {
    const auto it = handles.find(handle);
    if (it == handles.end()) return CUBLAS_STATUS_NOT_INITIALIZED;
    bool capturing = false;  // destroying a handle waits for the device, which ends every capture on it
    for (const auto& c : captures()) capturing = c->invalid = true;
    const cudaError_t error = capturing ? cudaErrorStreamCaptureUnsupported : synchronize_device(it->second->device);
    handles.erase(it);
    return error ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
  });
}
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  return with(handle, [&](cublasContext& h) {
    if (!find_stream(stream)) return CUBLAS_STATUS_INVALID_VALUE;
    h.stream = stream;
    h.workspace = nullptr;
    h.workspace_size = 0;
    return CUBLAS_STATUS_SUCCESS;
  });
}
cublasStatus_t cublasGetStream_v2(cublasHandle_t handle, cudaStream_t* stream) {
  return with(handle, [&](cublasContext& h) {
    *stream = h.stream;
    return CUBLAS_STATUS_SUCCESS;
  });
}
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* workspace, size_t size) {
  return with(handle, [&](cublasContext& h) {
    if (size && (reinterpret_cast<uintptr_t>(workspace) % 256 || where(workspace, size) != place::device))
      return CUBLAS_STATUS_INVALID_VALUE;
    h.workspace = workspace;
    h.workspace_size = size;
    return CUBLAS_STATUS_SUCCESS;
  });
}
cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  return with(handle, [&](cublasContext& h) {
    h.math = static_cast<cublasMath_t>(mode & 15);
    return CUBLAS_STATUS_SUCCESS;
  });
}
cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode) {
  return with(handle, [&](cublasContext&) {
    return mode == CUBLAS_POINTER_MODE_HOST ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
  });
}
cublasStatus_t cublasSetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t) {
  return with(handle, [&](cublasContext&) { return CUBLAS_STATUS_SUCCESS; });
}
cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int* version) {
  return with(handle, [&](cublasContext&) {
    *version = CUBLAS_VERSION;
    return CUBLAS_STATUS_SUCCESS;
  });
}
cublasStatus_t cublasGetProperty(libraryPropertyType type, int* value) {
  return entry(anywhere, [&] {
    if (!value || type > PATCH_LEVEL) return CUBLAS_STATUS_INVALID_VALUE;
    *value = type == MAJOR_VERSION ? CUBLAS_VER_MAJOR : type == MINOR_VERSION ? CUBLAS_VER_MINOR : CUBLAS_VER_PATCH;
    return CUBLAS_STATUS_SUCCESS;
  });
}
const char* cublasGetStatusName(cublasStatus_t status) {
  switch (status) {
#define NAME(name, value, text) \
  case name:                    \
    return #name;
    CUDA_HOST_CUBLAS_STATUSES(NAME)
#undef NAME
  }
  return "unknown status";
}
const char* cublasGetStatusString(cublasStatus_t status) {
  switch (status) {
#define TEXT(name, value, text) \
  case name:                    \
    return text;
    CUDA_HOST_CUBLAS_STATUSES(TEXT)
#undef TEXT
  }
  return "unknown status";
}

cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m, int n,
                              int k, const float* alpha, const float* a, int lda, const float* b, int ldb,
                              const float* beta, float* c, int ldc) {
  return gemm(handle, op_a, op_b, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1, CUBLAS_COMPUTE_32F);
}
cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m,
                                         int n, int k, const float* alpha, const float* a, int lda,
                                         long long int stride_a, const float* b, int ldb, long long int stride_b,
                                         const float* beta, float* c, int ldc, long long int stride_c, int batch) {
  return gemm(handle, op_a, op_b, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, beta, c, ldc, stride_c, batch,
              CUBLAS_COMPUTE_32F);
}
cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m,
                                          int n, int k, const void* alpha, const void* a, cudaDataType type_a, int lda,
                                          long long int stride_a, const void* b, cudaDataType type_b, int ldb,
                                          long long int stride_b, const void* beta, void* c, cudaDataType type_c,
                                          int ldc, long long int stride_c, int batch, cublasComputeType_t compute,
                                          cublasGemmAlgo_t) {
  if (type_a != CUDA_R_32F || type_b != CUDA_R_32F || type_c != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  return gemm(handle, op_a, op_b, m, n, k, static_cast<const float*>(alpha), static_cast<const float*>(a), lda,
              stride_a, static_cast<const float*>(b), ldb, stride_b, static_cast<const float*>(beta),
              static_cast<float*>(c), ldc, stride_c, batch, compute);
}
cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int m, int n, int k,
                            const void* alpha, const void* a, cudaDataType type_a, int lda, const void* b,
                            cudaDataType type_b, int ldb, const void* beta, void* c, cudaDataType type_c, int ldc,
                            cublasComputeType_t compute, cublasGemmAlgo_t algorithm) {
  return cublasGemmStridedBatchedEx(handle, op_a, op_b, m, n, k, alpha, a, type_a, lda, 0, b, type_b, ldb, 0, beta, c,
                                    type_c, ldc, 0, 1, compute, algorithm);
}
