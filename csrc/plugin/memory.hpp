// Memory of an exported chain: all of it is taken when the chain is made, none while it plays.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsp/view.hpp"

namespace dsp::plugin {
namespace {

/// Samples that a chain works on at a time. Longer blocks of a host are cut; kernels keep no states
/// within so few.
constexpr std::int64_t kBlock = 64;

/// The rates at which recorded constants without a formula are known.
constexpr double kUsualRates[] = {44100, 48000, 88200, 96000, 176400, 192000};

struct Table {
  double values[6];
};
/// The value of a table at `rate`; NaN where it is none of the usual ones.
inline double usual(double rate, const Table& table) {
  for (int i = 0; i < 6; ++i)
    if (kUsualRates[i] == rate) return table.values[i];
  return NAN;
}

/// Hands out parts of two blocks of memory: one for what changes while a chain plays, which is its state,
/// and one for tables that are made once. Without blocks it only counts.
class Arena {
 public:
  explicit Arena(char* state = nullptr, char* tables = nullptr) : state_{state, 0}, tables_{tables, 0} {}
  template <class T>
  T* take(std::int64_t count) {
    return state_.take<T>(count);
  }
  template <class T>
  T* table(std::int64_t count) {
    return tables_.take<T>(count);
  }
  std::size_t used() const { return state_.used; }
  std::size_t used_by_tables() const { return tables_.used; }

 private:
  struct Block {
    char* base;
    std::size_t used;
    template <class T>
    T* take(std::int64_t count) {
      used = (used + 63) / 64 * 64;
      T* part = base ? reinterpret_cast<T*>(base + used) : nullptr;
      used += std::size_t(count) * sizeof(T);
      return part;
    }
  };
  Block state_, tables_;
};

/// The past of delay lines as one stretch of memory that a block extends in place: what is written to
/// the second half of a buffer is written to the first half too, and when the stretch has crossed into
/// the second half it begins again in the first. A block costs its own length, however long the lines.
struct Line {
  double* data = nullptr;
  std::int64_t* at = nullptr;  // where the stretch begins; in the arena, with the state
  std::int64_t rows = 0, past = 0, half = 0;

  void place(Arena& arena, std::int64_t lines, std::int64_t length) {
    rows = lines;
    past = length;
    half = length + kBlock;
    data = arena.take<double>(rows * 2 * half);
    at = arena.take<std::int64_t>(1);
  }
  void clear() {
    std::memset(data, 0, std::size_t(rows * 2 * half) * sizeof(double));
    *at = 0;
  }
  /// Points the past, the line and the past after `n` samples into the buffer.
  void aim(View& before, View& line, View& after, std::int64_t n) const {
    before.data = line.data = data + *at;
    after.data = data + *at + n;
    for (View* view : {&before, &line, &after}) {
      std::int64_t stride = 2 * half;
      for (int i = view->ndim - 2; i >= 0; --i) {
        view->stride[i] = stride;
        stride *= view->size[i];
      }
    }
  }
  void advance(std::int64_t n) {
    for (std::int64_t q = *at + past - 1; q < *at + past + n; ++q)
      for (std::int64_t row = 0; q >= half && row < rows; ++row)
        data[row * 2 * half + q - half] = data[row * 2 * half + q];
    *at += n;
    if (*at >= half) *at -= half;
  }
};

}  // namespace
}  // namespace dsp::plugin
