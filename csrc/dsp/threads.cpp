#include "dsp/threads.hpp"

#include <dlfcn.h>

#include <atomic>
#include <thread>
#include <vector>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace dsp {
namespace {

using GompParallel = void (*)(void (*)(void*), void*, unsigned, unsigned);

GompParallel gomp_parallel() {
  // torch brings its own libgomp; linking another would put two thread pools into the process.
  static const auto found = reinterpret_cast<GompParallel>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
  return found;
}

struct Region {
  std::int64_t items;
  void (*task)(void*, std::int64_t);
  void* context;
  std::atomic<std::int64_t> next{0};

  void work() {
    const FlushDenormals flush;
    for (std::int64_t i = next++; i < items; i = next++) task(context, i);
  }
};

}  // namespace

void parallel_items(std::int64_t items, int threads, void (*task)(void*, std::int64_t), void* context) {
  Region region{items, task, context};
  if (threads > items) threads = int(items);
  if (threads <= 1) {
    region.work();
  } else if (const GompParallel gomp = gomp_parallel()) {
    gomp([](void* r) { static_cast<Region*>(r)->work(); }, &region, unsigned(threads), 0);
  } else {
    std::vector<std::thread> helpers;
    for (int i = 1; i < threads; ++i) helpers.emplace_back([&region] { region.work(); });
    region.work();
    for (std::thread& helper : helpers) helper.join();
  }
}

#if defined(__SSE__)
constexpr unsigned kFlushToZeroAndDenormalsAreZero = 0x8040;
FlushDenormals::FlushDenormals() : saved_(_mm_getcsr()) {
  _mm_setcsr(unsigned(saved_) | kFlushToZeroAndDenormalsAreZero);
}
FlushDenormals::~FlushDenormals() { _mm_setcsr(unsigned(saved_)); }
#elif defined(__aarch64__)
FlushDenormals::FlushDenormals() {
  asm volatile("mrs %0, fpcr" : "=r"(saved_));
  asm volatile("msr fpcr, %0" ::"r"(saved_ | (std::uint64_t(1) << 24)));
}
FlushDenormals::~FlushDenormals() { asm volatile("msr fpcr, %0" ::"r"(saved_)); }
#else
FlushDenormals::FlushDenormals() : saved_(0) {}
FlushDenormals::~FlushDenormals() = default;
#endif

const char* thread_backend() { return gomp_parallel() ? "openmp of the process" : "threads"; }

}  // namespace dsp
