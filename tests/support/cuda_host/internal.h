// What the files of the host execution share. One lock guards everything; every entry point takes it through call().
#ifndef TESTS_SUPPORT_CUDA_HOST_INTERNAL_H
#define TESTS_SUPPORT_CUDA_HOST_INTERNAL_H

#include <cuda_runtime.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cuda_host.h"

#if defined(__SANITIZE_ADDRESS__)
#define CUDA_HOST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CUDA_HOST_ASAN 1
#endif
#endif
#ifdef CUDA_HOST_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

namespace cuda_host {

constexpr int devices_max = 8;
constexpr unsigned cluster_blocks_max = 8;
constexpr int poison = 0xff;  // every byte: a NaN as float and double, -1 as an integer

// --- device.cpp: settings, counters, errors --------------------------------------------------------------------------
std::recursive_mutex& lock();
uint64_t random_number();  // from the seed; never called when natural()
bool natural();            // seed 0
template <typename T>
void shuffle(T* x, size_t n) {  // a random order, unless the order is the natural one
  if (natural()) return;
  for (size_t i = n; i > 1; i--) std::swap(x[i - 1], x[random_number() % i]);
}
int device_count();
int current_device();
size_t memory_limit();
size_t shared_memory_limit();             // of a block whose kernel opted in
cudaError_t remember(cudaError_t error);  // sets this thread's last error, and returns it
cudaError_t sticky(int device);           // the error that a kernel's fault has left
void fault(int device, cudaError_t error, const std::string& message);
bool fault_wanted(const std::string& kernel);  // sac_cuda_host_fault_in_kernel
bool break_wanted(size_t nodes);               // sac_cuda_host_break_captures
void count_launch(const std::string& name);
int injected();        // counts a call; its injected error, or 0
cudaError_t usable();  // driver, device, sticky error

enum : unsigned {
  plain = 0,
  anywhere = 1,  // needs no device
  releases = 2,  // releases also when it fails
  unsafe = 4     // forbidden while a stream captures
};
cudaError_t refuse_in_capture();
template <typename F>
cudaError_t call(unsigned what, F body) {
  std::lock_guard<std::recursive_mutex> guard(lock());
  cudaError_t error = static_cast<cudaError_t>(injected());
  if (!error && !(what & anywhere)) error = usable();
  if (!error && (what & unsafe)) error = refuse_in_capture();
  if (error && !(what & releases)) return remember(error);
  const cudaError_t result = body();
  return remember(error ? error : result);
}

// --- memory.cpp ------------------------------------------------------------------------------------------------------
enum class place { pageable, pinned, device, invalid };  // invalid: device memory, but not all inside one allocation
place where(const void* pointer, size_t size, int* device = nullptr);
// While one of these exists, device memory can be accessed.
class opened {
 public:
  explicit opened(int device);
  ~opened();
  opened(const opened&) = delete;

 private:
  int device_;
};
size_t live_memory();
void release_memory();

// --- streams.cpp -----------------------------------------------------------------------------------------------------
// One operation, in a stream's queue or in a graph.
struct node {
  cudaGraphNodeType type = cudaGraphNodeTypeHost;
  std::function<cudaError_t()> run;
  std::function<void()> when_queued;  // may be empty
  std::vector<size_t> needs;          // in a graph: the nodes that it depends on
};
struct capture;
struct stream {
  int device = 0;
  bool blocking = true;  // ordered with the legacy stream
  bool legacy = false;
  std::deque<node> queue;
  uint64_t done = 0;  // operations taken from the queue so far
  std::shared_ptr<capture> capturing;
  std::vector<size_t> frontier;  // while capturing: the nodes that the next one depends on
  uint64_t end() const { return done + queue.size(); }
};
using stream_ref = std::shared_ptr<stream>;
struct capture {
  cudaStreamCaptureMode mode;
  std::thread::id thread;
  stream* origin;
  std::vector<stream_ref> streams;
  std::vector<node> nodes;
  bool invalid = false, ended = false;
};
stream_ref find_stream(cudaStream_t handle);  // empty: no such stream
cudaError_t enqueue(const stream_ref& s, node n);
cudaError_t run_until(const stream_ref& s, uint64_t position);
cudaError_t synchronize_device(int device);
std::vector<std::shared_ptr<capture>> captures();
cudaError_t refuse_on_capturing(const stream_ref& s);  // a wait for a stream that captures
size_t live_streams();
void release_streams();

// --- graphs.cpp ------------------------------------------------------------------------------------------------------
cudaError_t make_graph(cudaGraph_t* graph, std::vector<node> nodes);
void drop_graph(cudaGraph_t graph);
size_t live_graphs();
void release_graphs();

// --- cublas.cpp ------------------------------------------------------------------------------------------------------
size_t live_handles();
void release_handles();

// --- shared.cpp ------------------------------------------------------------------------------------------------------
// Dynamic shared memory for blocks that run together: exactly `size` bytes for each, with poison behind.
void take_dynamic(size_t size, unsigned blocks, unsigned char* memory[]);
// Between launches every __shared__ variable is filled with poison. After a kernel's first and last block it is known
// which variables it writes; from then on only these are filled.
bool learn_shared(const void* kernel);
void poison_shared(const void* kernel);
bool is_shared_variable(const void* pointer, size_t size);

// --- tensor.cpp ------------------------------------------------------------------------------------------------------
void multiply_fragments(const cuda_host_fragments* const warp[32]);

// --- blocks.cpp ------------------------------------------------------------------------------------------------------
struct launch {
  std::string name;
  const void* function;
  unsigned cluster;
  dim3 grid, block;
  size_t shared;
  std::unique_ptr<cuda_host_call> call;
};
cudaError_t run_kernel(int device, const launch& l);

}  // namespace cuda_host
#endif
