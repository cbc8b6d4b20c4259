// Streams: queues that run when something waits for them. Events order them.
#include <time.h>

#include "internal.h"

namespace cuda_host {
struct record {
  stream_ref on;
  uint64_t position = 0;  // the event happens when this many operations of the stream are done
  double time = -1;       // when it happened, in milliseconds
  std::shared_ptr<capture> during;
  std::vector<size_t> frontier;
};
}  // namespace cuda_host
struct cuda_host_event {
  bool timed = true;
  std::shared_ptr<cuda_host::record> last;
};

namespace cuda_host {
namespace {

std::map<cudaStream_t, stream_ref> streams;
std::map<cudaEvent_t, std::unique_ptr<cuda_host_event>> events;
stream_ref legacy[devices_max];
std::vector<std::shared_ptr<capture>> active;

double milliseconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) * 1e-6;
}
stream_ref legacy_stream(int device) {
  if (!legacy[device]) {
    legacy[device] = std::make_shared<stream>();
    legacy[device]->device = device;
    legacy[device]->legacy = true;
  }
  return legacy[device];
}
void push_wait(stream& s, const stream_ref& on, uint64_t position) {
  node n;
  n.run = [on, position] { return run_until(on, position); };
  s.queue.push_back(std::move(n));
}
void wait_for_pending(stream& s, const stream_ref& on) {
  if (!on->queue.empty()) push_wait(s, on, on->end());
}
cuda_host_event* find(cudaEvent_t event) {
  const auto it = events.find(event);
  return it == events.end() ? nullptr : it->second.get();
}

cudaError_t create(cudaStream_t* handle, unsigned flags) {
  if (!handle || flags > cudaStreamNonBlocking) return cudaErrorInvalidValue;
  auto s = std::make_shared<stream>();
  s->device = current_device();
  s->blocking = flags != cudaStreamNonBlocking;
  *handle = reinterpret_cast<cudaStream_t>(s.get());
  streams[*handle] = s;
  return cudaSuccess;
}
cudaError_t wait_for(cudaStream_t handle) {
  const stream_ref s = find_stream(handle);
  if (!s) return cudaErrorInvalidResourceHandle;
  const cudaError_t error = refuse_on_capturing(s);
  return error ? error : run_until(s, s->end());
}
cudaError_t wait_for(cudaEvent_t handle) {
  const cuda_host_event* e = find(handle);
  if (!e) return cudaErrorInvalidResourceHandle;
  if (!e->last) return cudaSuccess;
  if (e->last->during) {
    if (!e->last->during->ended) e->last->during->invalid = true;
    return cudaErrorCapturedEvent;
  }
  return run_until(e->last->on, e->last->position);
}

}  // namespace

stream_ref find_stream(cudaStream_t handle) {
  if (!handle || handle == cudaStreamLegacy) return legacy_stream(current_device());
  const auto it = streams.find(handle);
  return it == streams.end() ? nullptr : it->second;
}

cudaError_t enqueue(const stream_ref& s, node n) {
  // In a capture the operation becomes a node of the graph.
  if (s->capturing) {
    capture& c = *s->capturing;
    if (!c.invalid && break_wanted(c.nodes.size())) c.invalid = true;
    if (c.invalid) return cudaErrorStreamCaptureInvalidated;
    n.needs = s->frontier;
    s->frontier = {c.nodes.size()};
    c.nodes.push_back(std::move(n));
    return cudaSuccess;
  }

  // The legacy stream and the blocking streams wait for each other.
  if (s->legacy) {
    for (const auto& c : active)
      for (const stream_ref& other : c->streams)
        if (other->blocking && other->device == s->device) {
          c->invalid = true;
          return cudaErrorStreamCaptureImplicit;
        }
    for (const auto& other : streams)
      if (other.second->blocking && other.second->device == s->device) wait_for_pending(*s, other.second);
  } else if (s->blocking) {
    wait_for_pending(*s, legacy_stream(s->device));
  }

  if (n.when_queued) n.when_queued();
  s->queue.push_back(std::move(n));
  return cudaSuccess;
}

// After a kernel's fault nothing more runs on the device.
cudaError_t run_until(const stream_ref& s, uint64_t position) {
  const opened open(s->device);
  while (s->done < position && !s->queue.empty()) {
    const node n = std::move(s->queue.front());
    s->queue.pop_front();
    s->done++;
    if (!sticky(s->device)) n.run();
  }
  return sticky(s->device);
}

cudaError_t synchronize_device(int device) {
  std::vector<stream_ref> all = {legacy_stream(device)};
  for (const auto& s : streams)
    if (s.second->device == device) all.push_back(s.second);
  shuffle(all.data(), all.size());
  for (const stream_ref& s : all) run_until(s, s->end());
  return sticky(device);
}

std::vector<std::shared_ptr<capture>> captures() { return active; }

cudaError_t refuse_in_capture() {
  bool refused = false;
  for (const auto& c : active) {
    if (c->mode == cudaStreamCaptureModeRelaxed) continue;
    if (c->mode == cudaStreamCaptureModeThreadLocal && c->thread != std::this_thread::get_id()) continue;
    refused = c->invalid = true;
  }
  return refused ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}
cudaError_t refuse_on_capturing(const stream_ref& s) {
  if (!s->capturing) return cudaSuccess;
  s->capturing->invalid = true;
  return cudaErrorStreamCaptureUnsupported;
}

size_t live_streams() { return streams.size() + events.size(); }
void release_streams() {
  for (const auto& s : streams) s.second->queue.clear(), s.second->capturing = nullptr;
  streams.clear();
  events.clear();
  active.clear();
  for (stream_ref& s : legacy) s = nullptr;
}

}  // namespace cuda_host

using namespace cuda_host;

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return call(plain, [&] { return create(stream, cudaStreamDefault); });
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return call(plain, [&] { return create(stream, flags); });
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  return call(plain, [&] { return create(stream, flags); });
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return call(releases, [&] {
    const auto it = streams.find(stream);
    if (it == streams.end()) return cudaErrorInvalidResourceHandle;
    const stream_ref s = it->second;
    if (s->capturing) s->capturing->invalid = true;
    const cudaError_t error = run_until(s, s->end());
    streams.erase(it);
    return error;
  });
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return call(plain, [&] { return wait_for(stream); });
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return call(plain, [&] { return wait_for(stream); });
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  return call(plain, [&] {
    const stream_ref s = find_stream(stream);
    if (!s) return cudaErrorInvalidResourceHandle;
    node n;
    n.type = cudaGraphNodeTypeHost;
    n.run = [=] {
      function(data);
      return cudaSuccess;
    };
    return enqueue(s, std::move(n));
  });
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
  return call(plain, [&] {
    const stream_ref s = find_stream(stream);
    const cuda_host_event* e = find(event);
    if (!s || !e) return cudaErrorInvalidResourceHandle;
    if (flags) return cudaErrorInvalidValue;
    if (!e->last) return cudaSuccess;
    const record& r = *e->last;

    // In a capture: a dependency on the nodes before the event.
    if (s->capturing) {
      if (s->capturing->invalid) return cudaErrorStreamCaptureInvalidated;
      if (r.during != s->capturing) {
        s->capturing->invalid = true;
        return r.during ? cudaErrorStreamCaptureMerge : cudaErrorStreamCaptureIsolation;
      }
      for (const size_t i : r.frontier) s->frontier.push_back(i);
      return cudaSuccess;
    }

    // The event was recorded in a capture, which this stream joins.
    if (r.during) {
      if (r.during->ended || r.during->invalid || s->legacy) return cudaErrorCapturedEvent;
      s->capturing = r.during;  // from here on the stream is part of the capture
      s->frontier = r.frontier;
      r.during->streams.push_back(s);
      return cudaSuccess;
    }

    if (r.on != s && r.on->done < r.position) push_wait(*s, r.on, r.position);
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return call(plain, [&] {
    if (!event || flags > 3) return cudaErrorInvalidValue;
    auto e = std::make_unique<cuda_host_event>();
    e->timed = !(flags & cudaEventDisableTiming);
    *event = e.get();
    events[*event] = std::move(e);
    return cudaSuccess;
  });
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return call(releases, [&] { return events.erase(event) ? cudaSuccess : cudaErrorInvalidResourceHandle; });
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return call(plain, [&] {
    const stream_ref s = find_stream(stream);
    cuda_host_event* e = find(event);
    if (!s || !e) return cudaErrorInvalidResourceHandle;
    auto r = std::make_shared<record>();
    if (s->capturing) {
      if (s->capturing->invalid) return cudaErrorStreamCaptureInvalidated;
      r->during = s->capturing;
      r->frontier = s->frontier;
    } else {
      node n;
      n.run = [r] {
        r->time = milliseconds();
        return cudaSuccess;
      };
      const cudaError_t error = enqueue(s, std::move(n));
      if (error) return error;
      r->on = s;
      r->position = s->end();
    }
    e->last = r;
    return cudaSuccess;
  });
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call(plain, [&] { return wait_for(event); });
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  return call(plain, [&] { return wait_for(event); });
}
cudaError_t cudaEventElapsedTime(float* elapsed, cudaEvent_t start, cudaEvent_t end) {
  return call(plain, [&] {
    const cuda_host_event *s = find(start), *e = find(end);
    if (!s || !e || !s->timed || !e->timed || !s->last || !e->last) return cudaErrorInvalidResourceHandle;
    if (s->last->during || e->last->during) return cudaErrorCapturedEvent;
    if (s->last->time < 0 || e->last->time < 0) return cudaErrorNotReady;
    *elapsed = static_cast<float>(e->last->time - s->last->time);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return call(plain, [&] {
    const stream_ref s = find_stream(stream);
    if (!s) return cudaErrorInvalidResourceHandle;
    if (s->legacy) return cudaErrorStreamCaptureUnsupported;
    if (s->capturing) return cudaErrorIllegalState;
    auto c = std::make_shared<capture>();
    c->mode = mode;
    c->thread = std::this_thread::get_id();
    c->origin = s.get();
    c->streams = {s};
    s->capturing = c;
    s->frontier.clear();
    active.push_back(c);
    return cudaSuccess;
  });
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  return call(plain, [&] {
    const stream_ref s = find_stream(stream);
    if (!s) return cudaErrorInvalidResourceHandle;
    *status = !s->capturing           ? cudaStreamCaptureStatusNone
              : s->capturing->invalid ? cudaStreamCaptureStatusInvalidated
                                      : cudaStreamCaptureStatusActive;
    return cudaSuccess;
  });
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const cudaError_t ended = call(releases, [&] {
    if (graph) *graph = nullptr;
    const stream_ref s = find_stream(stream);
    if (!s || !graph) return cudaErrorInvalidResourceHandle;
    const std::shared_ptr<capture> c = s->capturing;
    if (!c) return cudaErrorIllegalState;
    if (c->origin != s.get()) {
      c->invalid = true;
      return cudaErrorStreamCaptureUnmatched;
    }
    if (c->mode != cudaStreamCaptureModeRelaxed && c->thread != std::this_thread::get_id())
      return cudaErrorStreamCaptureWrongThread;

    // At the end, everything captured must have been joined to the first stream.
    std::vector<bool> joined(c->nodes.size());
    for (const size_t i : s->frontier) joined[i] = true;
    bool whole = true;
    for (size_t i = c->nodes.size(); i-- > 0;) {
      whole = whole && joined[i];
      for (const size_t j : c->nodes[i].needs) joined[j] = joined[j] || joined[i];
    }

    // The streams leave the capture.
    c->ended = true;
    for (const stream_ref& part : c->streams) part->capturing = nullptr, part->frontier.clear();
    for (size_t i = 0; i < active.size(); i++)
      if (active[i] == c) active.erase(active.begin() + static_cast<ptrdiff_t>(i--));

    if (c->invalid) return cudaErrorStreamCaptureInvalidated;
    if (!whole) return cudaErrorStreamCaptureUnjoined;
    return make_graph(graph, std::move(c->nodes));
  });
  if (ended && graph && *graph) {  // an injected error: the capture has ended, without a graph
    std::lock_guard<std::recursive_mutex> guard(lock());
    drop_graph(*graph);
    *graph = nullptr;
  }
  return ended;
}
