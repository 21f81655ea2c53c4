// One row of a linear recursion on many lanes: each lane takes a stretch of time. From a state of
// nothing every lane runs its stretch; a short walk over the lanes turns what that leaves into the
// states where the stretches begin; from those every lane runs its stretch again, the true recursion.
// The walk is done in float64, so a corner at 20 Hz is as exact as sample by sample.
#pragma once

#include "dsp/launch.hpp"
#include "dsp/tile.hpp"

namespace dsp {
namespace {

#ifndef __CUDACC__

template <class Op, class T>
struct Stretches {
  using Real = typename Traits<T>::Real;
  using Wide = typename Traits<T>::Double;
  static constexpr bool kDual = !std::is_arithmetic_v<T>;
  /// Two registers of lanes: the recursion of one hides the time of the other.
  static constexpr int W = 2 * kLaneBytes / int(sizeof(Real)), L = kChunk, C = Op::kCoefs, S = Op::kState;
  using Many = std::conditional_t<kDual, Dual<Pack<Real, W>, 1>, Pack<Real, W>>;

  /// What a stage brings along: its coefficients on all lanes, and what a stretch without input makes of
  /// its state, and of the state's adjoint.
  struct Stage {
    Many c[C];
    Wide power[S][S], back[S][S];

    void prepare(const T* coefs) {
      Wide wide[C];
      for (int i = 0; i < C; ++i) {
        wide[i] = cast<Wide>(coefs[i]);
        for (int l = 0; l < W; ++l) set_lane(c[i], l, coefs[i]);
      }
      for (int j = 0; j < S; ++j) {
        Wide s[S];
        for (int i = 0; i < S; ++i) s[i] = Wide(i == j ? 1.0 : 0.0);
        Op::step(wide, s, Wide(0));
        for (int i = 0; i < S; ++i) power[i][j] = s[i];
      }
      static_assert((L & (L - 1)) == 0);
      for (int n = 1; n < L; n *= 2) {  // squared: twice as far
        Wide twice[S][S];
        for (int i = 0; i < S; ++i)
          for (int j = 0; j < S; ++j) {
            twice[i][j] = power[i][0] * power[0][j];
            for (int m = 1; m < S; ++m) twice[i][j] += power[i][m] * power[m][j];
          }
        for (int i = 0; i < S; ++i)
          for (int j = 0; j < S; ++j) power[i][j] = twice[i][j];
      }
      for (int i = 0; i < S; ++i)
        for (int j = 0; j < S; ++j) back[i][j] = power[j][i];
    }
  };

  /// Stretches [0, lanes) that begin at sample t0 of a row, each an element of the tile a sample.
  static void load(const Series<Real, T>& row, std::int64_t t0, int lanes, Many* tile) {
    const Real *value[W], *tangent[W];
    for (int l = 0; l < W; ++l) {  // lanes without a stretch repeat one: nobody asks for what they make
      const std::int64_t at = t0 + (l < lanes ? l : 0) * L;
      value[l] = row.value + at * row.value_step;
      tangent[l] = row.tangent ? row.tangent + at * row.tangent_step : nullptr;
    }
    interleave(value, row.value_step, L, tile, ValuePart{});
    if constexpr (kDual) {
      if (row.tangent)
        interleave(tangent, row.tangent_step, L, tile, TangentPart{});
      else
        for (int i = 0; i < L; ++i) tile[i].d[0] = 0;
    }
  }
  static void store(const Series<Real, T>& row, std::int64_t t0, int lanes, const Many* tile) {
    if (lanes < W || kDual) {
      for (int l = 0; l < lanes; ++l)
        for (int i = 0; i < L; ++i) row.put(t0 + l * L + i, lane(tile[i], l));
      return;
    }
    Real* value[W];
    for (int l = 0; l < W; ++l) value[l] = row.value + (t0 + l * L) * row.value_step;
    if (row.value) deinterleave(value, row.value_step, L, tile, ValuePart{});
  }

  /// Runs the tile through a stage from state `s`, which becomes the state after the last stretch.
  /// `begin` gets the states at the stretches' begins.
  static void forward(const Stage& stage, T* s, int lanes, Many* tile, Many* begin) {
    Many own[S];
    for (int i = 0; i < S; ++i) own[i] = Many(0);
    for (int i = 0; i < L; ++i) Op::step(stage.c, own, tile[i]);
    walk(stage.power, s, 0, lanes, own, begin);
    for (int i = 0; i < S; ++i) own[i] = begin[i];
    for (int i = 0; i < L; ++i) tile[i] = Op::step(stage.c, own, tile[i]);
  }

  /// Turns the adjoint `g` of the stage's output into that of its input, and `gs` of the state after the
  /// tile into that of the state before; adds to `total`.
  static void backward(const Stage& stage, const Many (*states)[S], const Many* inputs, T* gs, int lanes,
                       Many* g, Wide* total) {
    Many own[S], end[S], gc[C];
    for (int i = 0; i < S; ++i) own[i] = Many(0);
    for (int i = 0; i < C; ++i) gc[i] = Many(0);
    for (int i = L - 1; i >= 0; --i) Op::adjoint(stage.c, states[i], inputs[i], g[i], own, gc);
    walk(stage.back, gs, lanes - 1, -1, own, end);
    for (int i = 0; i < S; ++i) own[i] = end[i];
    for (int i = 0; i < C; ++i) gc[i] = Many(0);
    for (int i = L - 1; i >= 0; --i) g[i] = Op::adjoint(stage.c, states[i], inputs[i], g[i], own, gc);
    for (int i = 0; i < C; ++i)
      for (int l = 0; l < lanes; ++l) total[i] += cast<Wide>(lane(gc[i], l));
  }

 private:
  /// From lane `first` to before `stop`: each begins where the one before it ends, which is `power` times
  /// its begin plus what it gained from nothing.
  static void walk(const Wide (*power)[S], T* s, int first, int stop, const Many* gained, Many* begin) {
    Wide now[S];
    for (int i = 0; i < S; ++i) now[i] = cast<Wide>(s[i]), begin[i] = Many(0);
    for (int l = first; l != stop; l += first < stop ? 1 : -1) {
      Wide next[S];
      for (int i = 0; i < S; ++i) {
        set_lane(begin[i], l, cast<T>(now[i]));
        next[i] = cast<Wide>(lane(gained[i], l));
        for (int j = 0; j < S; ++j) next[i] += power[i][j] * now[j];
      }
      for (int i = 0; i < S; ++i) now[i] = next[i];
    }
    for (int i = 0; i < S; ++i) s[i] = cast<T>(now[i]);
  }
};

#endif

}  // namespace
}  // namespace dsp
