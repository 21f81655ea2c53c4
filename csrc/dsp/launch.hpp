// The drivers that own rows, lanes, threads and launches. An op hands over a body: a trivially
// copyable struct with `template <class T> DSP_HD void run(first_row, rows)`, which works on the
// kLanes rows of T that begin at `first_row`.
#pragma once

#include "dsp/port.hpp"
#ifdef __CUDACC__
#include <stdexcept>
#include <string>
#else
#include "dsp/threads.hpp"
#endif

namespace dsp {
namespace {

#ifdef __CUDACC__

/// Samples between two stored states; a thread's scratch must fit local memory.
constexpr int kChunk = 16;

template <class T, class Body>
__global__ void run_rows(Body body, std::int64_t rows) {
  const std::int64_t row = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row < rows) body.template run<T>(row, rows);
}

inline void check(cudaError_t error) {
  if (error != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(error));
}

/// Makes `device` the current one while it lives, then the caller's again.
class OnDevice {
 public:
  explicit OnDevice(int device) {
    check(cudaGetDevice(&callers_));
    moved_ = device != callers_;
    if (moved_) check(cudaSetDevice(device));
  }
  ~OnDevice() {
    if (moved_) cudaSetDevice(callers_);
  }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  int callers_ = 0;
  bool moved_ = false;
};

/// A kernel of `threads` threads on the caller's stream.
template <class... Parameters, class... Arguments>
void launch_threads(const Call& call, std::int64_t threads, void (*kernel)(Parameters...), const Arguments&... arguments) {
  constexpr int kThreads = 64;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(unsigned((threads + kThreads - 1) / kThreads));
  config.blockDim = dim3(kThreads);
  config.stream = static_cast<cudaStream_t>(call.stream);
  check(cudaLaunchKernelEx(&config, kernel, arguments...));
}

template <class T, class Body>
void launch(const Call& call, const Body& body, std::int64_t rows, std::int64_t /*work*/) {
  if (rows == 0) return;
  const OnDevice on(call.device);
  launch_threads(call, rows, run_rows<T, Body>, body, rows);
}

/// Rows are the threads' business on a GPU; a body that offers lanes gets them on a CPU only.
template <class Real, bool kDual, class Body>
void launch_lanes(const Call& call, const Body& body, std::int64_t rows, std::int64_t work) {
  launch<std::conditional_t<kDual, Dual<Real, 1>, Real>>(call, body, rows, work);
}

#else

/// Samples between two stored states, and in a tile: a backward tile of six sections of 16 lanes then
/// takes 74 KB, which stays in the second-level cache.
constexpr int kChunk = 64;

/// Below this many samples a call stays on one thread: about 50 us of work on a Zen 4 core, the time
/// that waking a second thread can cost.
constexpr std::int64_t kSerialWork = 1 << 15;

template <class T, class Body>
void launch(const Call& call, const Body& body, std::int64_t rows, std::int64_t work) {
  constexpr int lanes = Traits<T>::kLanes;
  struct Context {
    const Body& body;
    std::int64_t rows;
  } context{body, rows};
  const auto task = [](void* c, std::int64_t group) {
    const auto& [b, n] = *static_cast<Context*>(c);
    b.template run<T>(group * lanes, n);
  };
  parallel_items((rows + lanes - 1) / lanes, work < kSerialWork ? 1 : call.threads, task, &context);
}

/// Rows on lanes when there are at least two; one row, or a few of a body that has better to do with
/// them, as plain numbers.
template <class Real, bool kDual, class Body>
void launch_lanes(const Call& call, const Body& body, std::int64_t rows, std::int64_t work) {
  using Many = Pack<Real, kLaneBytes / int(sizeof(Real))>;
  bool alone = rows <= 1;
  if constexpr (requires { body.few_rows(1); }) alone = alone || body.few_rows(Traits<Many>::kLanes);
  if (!alone)
    launch<std::conditional_t<kDual, Dual<Many, 1>, Many>>(call, body, rows, work);
  else
    launch<std::conditional_t<kDual, Dual<Real, 1>, Real>>(call, body, rows, work);
}

#endif

}  // namespace
}  // namespace dsp
