// One row through several stages, a stage a lane: while the first takes sample t, stage k takes sample
// t - 2 k, so the time of one recursion hides that of all others. Sample by sample this is the recursion
// itself. What leaves a stage has two steps to reach the next one: turning the lanes takes its time too.
// And one row through one stage with a single part that remembers: the other parts take all lanes.
#pragma once

#include <utility>

#include "dsp/launch.hpp"

namespace dsp {
namespace {

#ifndef __CUDACC__

template <class Op, class T, int W>
struct StageLanes {
  using Many = Pack<T, W>;
  static constexpr int C = Op::kCoefs, S = Op::kState, kLate = 2;

  /// Samples [0, n) of a row; `s` become the states after them. The last stage has the last lane, whose
  /// output a turn brings to the first.
  static void run(int stages, const T (*coefs)[C], T (*states)[S], const Series<T, T>& from, const Series<T, T>& to,
                  std::int64_t n) {
    const int first = W - stages, late = kLate * (stages - 1);
    Many c[C], s[S], lag(-1), place;
    for (int i = 0; i < C; ++i) c[i] = Many(0);
    for (int i = 0; i < S; ++i) s[i] = Many(0);
    for (int l = 0; l < W; ++l) place.set(l, T(l));
    for (int k = 0; k < stages; ++k) {
      for (int i = 0; i < C; ++i) c[i].set(first + k, coefs[k][i]);
      for (int i = 0; i < S; ++i) s[i].set(first + k, states[k][i]);
      lag.set(first + k, T(kLate * k));
    }
    const auto entry = place.v == Many(first).v;
    Many before(0), last(0);  // what left the stages two steps and one step ago, turned
    const auto step = [&](T x) [[gnu::always_inline]] {
      const Many y = Op::step(c, s, select(entry, Many(x), before));
      before = last;
      last = turned(y, std::make_integer_sequence<int, W>{});
    };
    // While the lanes fill and empty, those without a sample keep their states.
    const auto edge = [&](std::int64_t i) {
      const Many oldest(T(i < late ? i + 1 : late + 1)), newest(T(i < n ? -0.5 : double(i - n)));
      const auto busy = (lag.v < oldest.v) & (newest.v < lag.v);
      Many kept[S];
      for (int j = 0; j < S; ++j) kept[j] = s[j];
      step(i < n ? from[i] : T(0));
      for (int j = 0; j < S; ++j) s[j] = select(busy, s[j], kept[j]);
      if (i >= late) to.put(i - late, last[0]);
    };
    std::int64_t i = 0;
    for (; i < late; ++i) edge(i);
    for (; i < n; ++i) {
      step(from[i]);
      to.put(i - late, last[0]);
    }
    for (; i < n + late; ++i) edge(i);
    for (int k = 0; k < stages; ++k)
      for (int j = 0; j < S; ++j) states[k][j] = s[j][first + k];
  }

 private:
  template <int... kLane>
  [[gnu::always_inline]] static Many turned(const Many& x, std::integer_sequence<int, kLane...>) {
    return Many(__builtin_shufflevector(x.v, x.v, ((kLane + W - 1) % W)...));
  }
};

/// Does the step of a single row have parts?
template <class Op, class T>
constexpr bool kParts = std::is_arithmetic_v<T> && requires(T x) { Op::speak(x); };

/// The only stage of a row, samples [0, n) of a tile of kChunk.
template <class Op, class T>
void advance_in_parts(const T* c, T* state, int n, T* tile) {
  using Many = Pack<T, kLaneBytes / int(sizeof(T))>;
  constexpr int W = Traits<Many>::kLanes, C = Op::kCoefs, S = Op::kState;
  static_assert(kChunk % W == 0);
  Many wide[C];
  T s[S];
  for (int i = 0; i < C; ++i) wide[i] = Many(c[i]);
  for (int i = 0; i < S; ++i) s[i] = state[i];
  for (int i = n; i % W != 0; ++i) tile[i] = T(0);
  for (int i = 0; i < n; i += W) Op::listen(wide, Many::at(tile + i)).to(tile + i);
  for (int i = 0; i < n; ++i) tile[i] = Op::follow(c, s, tile[i]);
  for (int i = 0; i < n; i += W) Op::speak(Many::at(tile + i)).to(tile + i);
  for (int i = 0; i < S; ++i) state[i] = s[i];
}

#endif

}  // namespace
}  // namespace dsp
