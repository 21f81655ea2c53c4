// Threads of the CPU kernels. Work is cut into items by shape alone, so results do not depend on how
// many threads there are.
#pragma once

#include <cstdint>

namespace dsp {

/// Runs `task(context, item)` for every item below `items`, on at most `threads` threads. Uses the
/// OpenMP runtime that torch has loaded when there is one, plain threads otherwise.
void parallel_items(std::int64_t items, int threads, void (*task)(void*, std::int64_t), void* context);

/// Flushes denormal numbers to zero while it lives and restores the caller's mode after.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  std::uint64_t saved_;
};

/// "openmp of the process" or "threads": which of the two parallel_items uses.
const char* thread_backend();

}  // namespace dsp
