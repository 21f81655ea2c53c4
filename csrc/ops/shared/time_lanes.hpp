// A recursion of order one or two whose coefficients move, y[s] = x[s] - sum_i c[i][s] y[s-1-i], with time
// on the lanes: each lane takes a stretch of a block. From outputs of nothing every lane runs its stretch,
// and so it does without input for each output before it being one; a walk over the lanes in float64 turns
// that into the outputs before each stretch; from those every lane runs it again, the true recursion.
//
// Near z = 1, and near -1, a direct form loses its digits, and what is added up over the lanes would lose
// them again: at 60 Hz the scan would be 12 dB worse than sample by sample. So the runs before the walk have
// the states y and d = y[s] - r y[s-1], with r the sign of the real part of the poles, and d is small there:
// d[s] = x[s] - (r + c[0] + r c[1]) y[s-1] + r c[1] d[s-1], y[s] = r y[s-1] + d[s].
#pragma once

#include "dsp/tile.hpp"

namespace dsp {
namespace {

#ifndef __CUDACC__

/// kWay is -1 for a filter, 1 for its adjoint, which runs from the last sample to the first and looks at
/// the samples after: y[s + 1 + i].
template <int kWay, int P, class M>
struct TimeLanes {
  static_assert(P == 1 || P == 2);
  /// Two registers of lanes: the recursion of one hides the time of the other.
  static constexpr int W = 2 * kLaneBytes / int(sizeof(M)), L = 32, N = W * L;
  using Many = Pack<M, W>;

  /// One block: x and the coefficients lie in memory `step` elements apart (constant: 0), y without gaps.
  /// `known` are the outputs before the first sample, the nearest first, and then those after the block.
  static void run(const M* x, std::int64_t x_step, const M* const* c, std::int64_t c_step, M* y, M* known) {
    Many in[L], tap[P][L], begin[P];
    load(x, x_step, in);
    for (int i = 0; i < P; ++i) load(c[i], c_step, tap[i]);
    if constexpr (P == 1) {
      Many gained(0), left(1);
      for (int n = 0; n < L; ++n) {
        const int s = kWay < 0 ? n : L - 1 - n;
        gained = in[s] - tap[0][s] * gained;
        left = -(tap[0][s] * left);
      }
      walk(gained, left, known, begin);
    } else {
      const int first = kWay < 0 ? 0 : L - 1;
      const Many r = select(less(Many(0), tap[0][first]), Many(-1), Many(1));
      Pair gained{Many(0), Many(0)}, of_y{Many(1), Many(0)}, of_d{Many(0), Many(1)};
      for (int n = 0; n < L; ++n) {
        const int s = kWay < 0 ? n : L - 1 - n;
        const Many fall = r * tap[1][s], pull = (r + tap[0][s]) + fall;
        gained.step(r, pull, fall, in[s]);
        of_y.step(r, pull, fall, Many(0));
        of_d.step(r, pull, fall, Many(0));
      }
      walk(r, gained, of_y, of_d, known, begin);
    }
    for (int n = 0; n < L; ++n) {
      const int s = kWay < 0 ? n : L - 1 - n;
      in[s] = next(in[s], tap, s, begin);
    }
    M* to[W];
    for (int l = 0; l < W; ++l) to[l] = y + l * L;
    deinterleave(to, 1, L, in, ValuePart{});
    for (int i = 0; i < P; ++i) known[i] = kWay < 0 ? y[N - 1 - i] : y[i];
  }

 private:
  static void load(const M* from, std::int64_t step, Many* tile) {
    if (step == 0) {
      for (int s = 0; s < L; ++s) tile[s] = Many(*from);
      return;
    }
    const M* source[W];
    for (int l = 0; l < W; ++l) source[l] = from + l * L * step;
    interleave(source, step, L, tile, ValuePart{});
  }
  [[gnu::always_inline]] static Many next(Many x, const Many (*tap)[L], int s, Many* before) {
    if constexpr (P == 2) x -= tap[1][s] * before[1];
    x -= tap[0][s] * before[0];
    if constexpr (P == 2) before[1] = before[0];
    return before[0] = x;
  }
  /// y and d of a run.
  struct Pair {
    Many y, d;
    [[gnu::always_inline]] void step(Many r, Many pull, Many fall, Many x) {
      d = (x - pull * y) + fall * d;
      y = r * y + d;
    }
  };

  static void walk(const Many& gained, const Many& left, const M* known, Many* begin) {
    double now = double(known[0]);
    for (int n = 0; n < W; ++n) {
      const int l = kWay < 0 ? n : W - 1 - n;
      begin[0].set(l, M(now));
      now = double(gained[l]) + now * double(left[l]);
    }
  }
  static void walk(const Many& r, const Pair& gained, const Pair& of_y, const Pair& of_d, const M* known, Many* begin) {
    double sign = double(r[kWay < 0 ? 0 : W - 1]), y = double(known[0]), d = y - sign * double(known[1]);
    for (int n = 0; n < W; ++n) {
      const int l = kWay < 0 ? n : W - 1 - n;
      if (double(r[l]) != sign) {
        sign = -sign;
        d = 2 * y - d;
      }
      begin[0].set(l, M(y));
      begin[1].set(l, M(sign * (y - d)));
      const double after = (double(gained.y[l]) + d * double(of_d.y[l])) + y * double(of_y.y[l]);
      d = (double(gained.d[l]) + d * double(of_d.d[l])) + y * double(of_y.d[l]);
      y = after;
    }
  }
};

#endif

}  // namespace
}  // namespace dsp
