// The machine: devices and their limits, settings and counters (cuda_host.h), errors, profiler ranges.
#include <cuda_profiler_api.h>
#include <nvtx3/nvToolsExt.h>
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

namespace cuda_host {
namespace {

struct settings {
  int devices = 2, major = 9, minor = 0, driver = CUDART_VERSION;
  size_t memory = size_t{4} << 30;
  long fail_at = 0, calls = 0;
  int fail_with = 0;
  std::string fault_prefix;
  int fault_after = 0;
  int captures_to_break = 0;
  size_t break_at = 0;
  cudaError_t sticky[devices_max] = {};
  std::string message;
  std::vector<std::pair<std::string, long>> launches;
  std::vector<std::string> ranges;
  int depth = 0;
  std::map<const void*, int> shared_of;  // kernel -> dynamic shared memory it opted in to
};
settings& now() {
  static settings s;
  return s;
}

uint64_t& seed_state() {
  static uint64_t state = [] {
    const char* text = getenv("SAC_CUDA_HOST_SEED");
    return text ? strtoull(text, nullptr, 0) : 0ULL;
  }();
  return state;
}
thread_local cudaError_t last_error;
thread_local int device_of_thread;

}  // namespace

std::recursive_mutex& lock() {
  static std::recursive_mutex mutex;
  return mutex;
}
bool natural() { return seed_state() == 0; }
uint64_t random_number() {  // splitmix64
  uint64_t x = seed_state() += 0x9e3779b97f4a7c15u;
  if (x == 0) x = seed_state() = 1;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

// CUDA_VISIBLE_DEVICES: counts the indices up to the first that is not valid. Order and UUIDs are ignored, as all
// devices are the same.
int device_count() {
  const char* visible = getenv("CUDA_VISIBLE_DEVICES");
  if (!visible) return now().devices;
  int n = 0;
  for (const char* p = visible; *p;) {
    char* end;
    const long index = strtol(p, &end, 10);
    if (end == p || (*end && *end != ',') || index < 0 || index >= now().devices) break;
    n++;
    p = *end ? end + 1 : end;
  }
  return n < now().devices ? n : now().devices;
}
int current_device() { return device_of_thread; }
size_t memory_limit() { return now().memory; }
size_t shared_memory_limit() {
  const int capability = now().major * 10 + now().minor;
  if (capability >= 90 && capability < 120) return 227 << 10;
  if (capability == 80 || capability == 87) return 163 << 10;
  if (capability >= 86) return 99 << 10;
  return capability >= 75 ? 64 << 10 : 48 << 10;
}
cudaError_t remember(cudaError_t error) {
  if (error) last_error = error;
  return error;
}
cudaError_t sticky(int device) { return now().sticky[device]; }
void fault(int device, cudaError_t error, const std::string& message) {
  now().sticky[device] = error;
  now().message = message;
  fprintf(stderr, "cuda_host: %s (%s)\n", message.c_str(), cudaGetErrorName(error));
}
bool fault_wanted(const std::string& kernel) {
  settings& s = now();
  if (s.fault_after <= 0 || kernel.compare(0, s.fault_prefix.size(), s.fault_prefix) != 0) return false;
  return --s.fault_after == 0;
}
bool break_wanted(size_t nodes) {
  settings& s = now();
  if (s.captures_to_break <= 0 || nodes != s.break_at) return false;
  s.captures_to_break--;
  return true;
}
void count_launch(const std::string& name) {
  for (auto& l : now().launches)
    if (l.first == name) {
      l.second++;
      return;
    }
  now().launches.emplace_back(name, 1);
}
int injected() {
  settings& s = now();
  s.calls++;
  return s.fail_at > 0 && --s.fail_at == 0 ? s.fail_with : 0;
}
cudaError_t usable() {
  if (now().driver < CUDART_VERSION / 1000 * 1000) return cudaErrorInsufficientDriver;
  if (device_count() == 0) return cudaErrorNoDevice;
  return sticky(device_of_thread);
}

}  // namespace cuda_host

using namespace cuda_host;

// --- cuda_host.h -----------------------------------------------------------------------------------------------------
void sac_cuda_host_reset() {
  std::lock_guard<std::recursive_mutex> guard(lock());
  release_handles();
  release_streams();
  release_graphs();
  release_memory();
  now() = settings();
  last_error = cudaSuccess;
  device_of_thread = 0;
}
void sac_cuda_host_seed(uint64_t seed) {
  std::lock_guard<std::recursive_mutex> guard(lock());
  seed_state() = seed;
}
void sac_cuda_host_devices(int count) { now().devices = count < 0 ? 0 : count > devices_max ? devices_max : count; }
void sac_cuda_host_capability(int major, int minor) {
  now().major = major;
  now().minor = minor;
}
void sac_cuda_host_driver(int version) { now().driver = version; }
void sac_cuda_host_memory(size_t bytes) { now().memory = bytes < size_t{64} << 30 ? bytes : size_t{64} << 30; }
void sac_cuda_host_fail(long nth, int error) {
  std::lock_guard<std::recursive_mutex> guard(lock());
  now().fail_at = nth;
  now().fail_with = error;
}
long sac_cuda_host_calls() {
  std::lock_guard<std::recursive_mutex> guard(lock());
  return now().calls;
}
void sac_cuda_host_fault_in_kernel(const char* name_prefix, int nth) {
  std::lock_guard<std::recursive_mutex> guard(lock());
  now().fault_prefix = name_prefix;
  now().fault_after = nth;
}
void sac_cuda_host_break_captures(int count, size_t nodes) {
  std::lock_guard<std::recursive_mutex> guard(lock());
  now().captures_to_break = count;
  now().break_at = nodes;
}
const char* sac_cuda_host_message() { return now().message.c_str(); }
size_t sac_cuda_host_leaks() {
  std::lock_guard<std::recursive_mutex> guard(lock());
  return live_memory() + live_streams() + live_graphs() + live_handles();
}
long sac_cuda_host_launches(void (*each)(void* context, const char* name, long count), void* context) {
  std::lock_guard<std::recursive_mutex> guard(lock());
  long sum = 0;
  for (const auto& l : now().launches) {
    if (each) each(context, l.first.c_str(), l.second);
    sum += l.second;
  }
  return sum;
}
const char* sac_cuda_host_range(size_t i) { return i < now().ranges.size() ? now().ranges[i].c_str() : nullptr; }
int sac_cuda_host_range_depth() { return now().depth; }

// --- ranges ----------------------------------------------------------------------------------------------------------
int nvtxRangePushA(const char* name) {
  std::lock_guard<std::recursive_mutex> guard(lock());
  if (now().ranges.size() < 100000) now().ranges.emplace_back(name);
  return now().depth++;
}
int nvtxRangePop() {
  std::lock_guard<std::recursive_mutex> guard(lock());
  return now().depth > 0 ? --now().depth : -2;
}
void nvtxMarkA(const char*) {}
cudaError_t cudaProfilerStart() {
  return call(plain, [] { return cudaSuccess; });
}
cudaError_t cudaProfilerStop() {
  return call(plain, [] { return cudaSuccess; });
}

// --- errors ----------------------------------------------------------------------------------------------------------
cudaError_t cudaGetLastError() {
  const cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error ? error : now().sticky[device_of_thread];
}
cudaError_t cudaPeekAtLastError() { return last_error ? last_error : now().sticky[device_of_thread]; }
const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
#define NAME(name, value, text) \
  case name:                    \
    return #name;
    CUDA_HOST_ERRORS(NAME)
#undef NAME
  }
  return "unrecognized error code";
}
const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
#define TEXT(name, value, text) \
  case name:                    \
    return text;
    CUDA_HOST_ERRORS(TEXT)
#undef TEXT
  }
  return "unrecognized error code";
}

// --- devices ---------------------------------------------------------------------------------------------------------
cudaError_t cudaGetDeviceCount(int* count) {
  return call(anywhere, [&] {
    *count = 0;
    if (now().driver < CUDART_VERSION / 1000 * 1000) return cudaErrorInsufficientDriver;
    *count = device_count();
    return *count ? cudaSuccess : cudaErrorNoDevice;
  });
}
cudaError_t cudaSetDevice(int device) {
  return call(anywhere, [&] {
    if (now().driver < CUDART_VERSION / 1000 * 1000) return cudaErrorInsufficientDriver;
    if (device_count() == 0) return cudaErrorNoDevice;
    if (device < 0 || device >= device_count()) return cudaErrorInvalidDevice;
    device_of_thread = device;
    return sticky(device);
  });
}
cudaError_t cudaGetDevice(int* device) {
  return call(plain, [&] {
    *device = device_of_thread;
    return cudaSuccess;
  });
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return call(plain, [&] {
    if (device < 0 || device >= device_count()) return cudaErrorInvalidDevice;
    cudaDeviceProp p = {};
    snprintf(p.name, sizeof p.name, "host execution");
    p.totalGlobalMem = now().memory;
    p.sharedMemPerBlock = 48 << 10;
    p.sharedMemPerBlockOptin = shared_memory_limit();
    p.sharedMemPerMultiprocessor = shared_memory_limit() + 1024;
    p.reservedSharedMemPerBlock = 1024;
    p.regsPerBlock = p.regsPerMultiprocessor = 65536;
    p.warpSize = 32;
    p.maxThreadsPerBlock = p.maxThreadsDim[0] = p.maxThreadsDim[1] = 1024;
    p.maxThreadsDim[2] = 64;
    p.maxGridSize[0] = 0x7fffffff;
    p.maxGridSize[1] = p.maxGridSize[2] = 65535;
    p.totalConstMem = 65536;
    p.major = now().major;
    p.minor = now().minor;
    p.multiProcessorCount = 132;
    p.canMapHostMemory = p.concurrentKernels = p.unifiedAddressing = 1;
    p.asyncEngineCount = 2;
    p.pciBusID = device + 1;
    p.memoryBusWidth = 5120;
    p.l2CacheSize = 50 << 20;
    p.maxThreadsPerMultiProcessor = 2048;
    *properties = p;
    return cudaSuccess;
  });
}
// Long because it is a table: each attribute with its value, mostly an H100's.
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return call(plain, [&] {
    if (device < 0 || device >= device_count()) return cudaErrorInvalidDevice;
    switch (attribute) {
      case cudaDevAttrMaxThreadsPerBlock:
      case cudaDevAttrMaxBlockDimX:
      case cudaDevAttrMaxBlockDimY:
        *value = 1024;
        break;
      case cudaDevAttrMaxBlockDimZ:
        *value = 64;
        break;
      case cudaDevAttrMaxGridDimX:
        *value = 0x7fffffff;
        break;
      case cudaDevAttrMaxGridDimY:
      case cudaDevAttrMaxGridDimZ:
        *value = 65535;
        break;
      case cudaDevAttrMaxSharedMemoryPerBlock:
        *value = 48 << 10;
        break;
      case cudaDevAttrWarpSize:
        *value = 32;
        break;
      case cudaDevAttrMultiProcessorCount:
        *value = 132;
        break;
      case cudaDevAttrIntegrated:
      case cudaDevAttrComputeMode:
      case cudaDevAttrCooperativeLaunch:
      case cudaDevAttrMemoryPoolsSupported:
        *value = 0;
        break;
      case cudaDevAttrClusterLaunch:
        *value = now().major >= 9;
        break;
      case cudaDevAttrConcurrentKernels:
      case cudaDevAttrUnifiedAddressing:
        *value = 1;
        break;
      case cudaDevAttrL2CacheSize:
        *value = 50 << 20;
        break;
      case cudaDevAttrComputeCapabilityMajor:
        *value = now().major;
        break;
      case cudaDevAttrComputeCapabilityMinor:
        *value = now().minor;
        break;
      case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
        *value = static_cast<int>(shared_memory_limit() + 1024);
        break;
      case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = static_cast<int>(shared_memory_limit());
        break;
      default:
        return cudaErrorInvalidValue;
    }
    return cudaSuccess;
  });
}
cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int device) {
  return call(plain, [&] {
    if (device < 0 || device >= device_count()) return cudaErrorInvalidDevice;
    if (length < 13) return cudaErrorInvalidValue;
    snprintf(id, static_cast<size_t>(length), "0000:%02X:00.0", static_cast<unsigned>(device + 1));
    return cudaSuccess;
  });
}
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  return call(plain, [&] {
    if (least) *least = 0;
    if (greatest) *greatest = -5;
    return cudaSuccess;
  });
}
cudaError_t cudaDeviceSynchronize() {
  return call(plain, [] {
    bool capturing = false;
    for (const auto& c : captures()) capturing = c->invalid = true;
    return capturing ? cudaErrorStreamCaptureUnsupported : synchronize_device(device_of_thread);
  });
}
cudaError_t cudaDeviceReset() {
  return call(anywhere, [] {
    release_handles();
    release_streams();
    release_graphs();
    release_memory();
    for (cudaError_t& e : now().sticky) e = cudaSuccess;
    return cudaSuccess;
  });
}
cudaError_t cudaDriverGetVersion(int* version) {
  return call(anywhere, [&] {
    *version = now().driver;
    return cudaSuccess;
  });
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  return call(anywhere, [&] {
    *version = CUDART_VERSION;
    return cudaSuccess;
  });
}

// --- kernels ---------------------------------------------------------------------------------------------------------
cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  return call(plain, [&] {
    if (!kernel) return cudaErrorInvalidDeviceFunction;
    if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout)
      return value < -1 || value > 100 ? cudaErrorInvalidValue : cudaSuccess;
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
        static_cast<size_t>(value) > shared_memory_limit())
      return cudaErrorInvalidValue;
    now().shared_of[kernel] = value;
    return cudaSuccess;
  });
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel) {
  return call(plain, [&] {
    if (!kernel) return cudaErrorInvalidDeviceFunction;
    const auto found = now().shared_of.find(kernel);
    *attributes = {};
    attributes->maxThreadsPerBlock = 1024;
    attributes->numRegs = 32;
    attributes->ptxVersion = attributes->binaryVersion = now().major * 10 + now().minor;
    attributes->maxDynamicSharedSizeBytes = found == now().shared_of.end() ? 48 << 10 : found->second;
    return cudaSuccess;
  });
}

// Checks the limits of a launch. Its error is what cudaGetLastError returns.
void cuda_host_enqueue(const char* name, const void* function, unsigned cluster, dim3 grid, dim3 block, size_t shared,
                       cudaStream_t stream, cuda_host_call* arguments) {
  auto l = std::make_shared<launch>();
  l->call.reset(arguments);
  call(plain, [&] {
    if (!function) return cudaErrorInvalidDeviceFunction;
    if (!grid.x || !grid.y || !grid.z || !block.x || !block.y || !block.z || grid.x > 0x7fffffffu || grid.y > 65535 ||
        grid.z > 65535 || block.x > 1024 || block.y > 1024 || block.z > 64 ||
        static_cast<uint64_t>(block.x) * block.y * block.z > 1024)
      return cudaErrorInvalidConfiguration;
    if (cluster != 1 && (now().major < 9 || cluster < 1 || cluster > cluster_blocks_max || grid.x % cluster))
      return cudaErrorInvalidClusterSize;

    const auto found = now().shared_of.find(function);
    if (shared > (found == now().shared_of.end() ? 48u << 10 : static_cast<size_t>(found->second)))
      return cudaErrorInvalidValue;

    // Queue the launch. A template's name comes in parentheses.
    const stream_ref s = find_stream(stream);
    if (!s) return cudaErrorInvalidResourceHandle;
    l->name = name;
    if (l->name.front() == '(') l->name = l->name.substr(1, l->name.size() - 2);
    l->function = function;
    l->cluster = cluster;
    l->grid = grid;
    l->block = block;
    l->shared = shared;
    node n;
    n.type = cudaGraphNodeTypeKernel;
    const int device = s->device;
    n.run = [l, device] { return run_kernel(device, *l); };
    return enqueue(s, std::move(n));
  });
}
