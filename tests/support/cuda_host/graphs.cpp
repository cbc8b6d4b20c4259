// Graphs: each launch runs again what a capture recorded.
#include "internal.h"

struct cuda_host_graph {
  std::shared_ptr<const std::vector<cuda_host::node>> nodes;
};
struct cuda_host_exec {
  std::shared_ptr<const std::vector<cuda_host::node>> nodes;
};

namespace cuda_host {
namespace {

std::map<cudaGraph_t, std::unique_ptr<cuda_host_graph>> graphs;
std::map<cudaGraphExec_t, std::unique_ptr<cuda_host_exec>> execs;

// In a random order that the dependencies allow; in the order of capture when the seed is 0.
cudaError_t run(const std::vector<node>& nodes) {
  // Count what each node waits for.
  std::vector<size_t> missing(nodes.size()), possible;
  std::vector<std::vector<size_t>> then(nodes.size());
  for (size_t i = 0; i < nodes.size(); i++) {
    missing[i] = nodes[i].needs.size();
    for (const size_t j : nodes[i].needs) then[j].push_back(i);
    if (!missing[i]) possible.push_back(i);
  }

  // Run one of the nodes that wait for nothing, until none is left.
  while (!possible.empty()) {
    size_t chosen = 0;
    if (natural()) {
      for (size_t p = 1; p < possible.size(); p++)
        if (possible[p] < possible[chosen]) chosen = p;
    } else {
      chosen = random_number() % possible.size();
    }
    const size_t i = possible[chosen];
    possible.erase(possible.begin() + static_cast<ptrdiff_t>(chosen));
    const cudaError_t error = nodes[i].run();
    if (error) return error;
    for (const size_t j : then[i])
      if (--missing[j] == 0) possible.push_back(j);
  }
  return cudaSuccess;
}

}  // namespace

cudaError_t make_graph(cudaGraph_t* graph, std::vector<node> nodes) {
  auto g = std::make_unique<cuda_host_graph>();
  g->nodes = std::make_shared<const std::vector<node>>(std::move(nodes));
  *graph = g.get();
  graphs[*graph] = std::move(g);
  return cudaSuccess;
}
void drop_graph(cudaGraph_t graph) { graphs.erase(graph); }
size_t live_graphs() { return graphs.size() + execs.size(); }
void release_graphs() {
  graphs.clear();
  execs.clear();
}

}  // namespace cuda_host

using namespace cuda_host;

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  return call(plain, [&] {
    const auto it = graphs.find(graph);
    if (!exec || it == graphs.end()) return cudaErrorInvalidValue;
    auto e = std::make_unique<cuda_host_exec>();
    e->nodes = it->second->nodes;
    *exec = e.get();
    execs[*exec] = std::move(e);
    return cudaSuccess;
  });
}
cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t stream) {
  return call(plain, [&] { return execs.count(exec) && find_stream(stream) ? cudaSuccess : cudaErrorInvalidValue; });
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  return call(plain, [&] {
    const auto it = execs.find(exec);
    const stream_ref s = find_stream(stream);
    if (it == execs.end() || !s) return cudaErrorInvalidValue;
    if (s->capturing) {
      s->capturing->invalid = true;
      return cudaErrorNotSupported;  // a graph as a node of another one
    }
    const auto nodes = it->second->nodes;
    node n;
    n.run = [nodes] { return run(*nodes); };
    n.when_queued = [nodes] {
      for (const node& each : *nodes)
        if (each.when_queued) each.when_queued();
    };
    return enqueue(s, std::move(n));
  });
}
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  return call(plain, [&] {
    const auto it = graphs.find(graph);
    if (it == graphs.end() || !count) return cudaErrorInvalidValue;
    const std::vector<node>& all = *it->second->nodes;
    if (nodes)
      for (size_t i = 0; i < *count; i++)
        nodes[i] = i < all.size() ? reinterpret_cast<cudaGraphNode_t>(const_cast<node*>(&all[i])) : nullptr;
    if (!nodes || *count > all.size()) *count = all.size();
    return cudaSuccess;
  });
}
cudaError_t cudaGraphNodeGetType(cudaGraphNode_t n, cudaGraphNodeType* type) {
  return call(plain, [&] {
    if (!n || !type) return cudaErrorInvalidValue;
    *type = reinterpret_cast<const node*>(n)->type;
    return cudaSuccess;
  });
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  return call(releases, [&] { return execs.erase(exec) ? cudaSuccess : cudaErrorInvalidValue; });
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return call(releases, [&] { return graphs.erase(graph) ? cudaSuccess : cudaErrorInvalidValue; });
}
