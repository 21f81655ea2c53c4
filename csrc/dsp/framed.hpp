// Coefficients given per frame, linear in between: frame i is sample i * hop of a grid that the call enters
// at sample `start`; after the last frame they stay. What moves linearly are the coefficients, not the
// parameters they come from: a mix of stable state-variable filters is stable, for their states' energy
// never grows, and nothing has to be prepared at a sample.
#pragma once

#include "dsp/op.hpp"
#include "dsp/parameters.hpp"
#include "dsp/tile.hpp"

namespace dsp {
namespace {

/// Hop 0 means that there are no frames.
struct Frames {
  std::int64_t hop, start, count;

  DSP_HD std::int64_t frame(std::int64_t t) const {
    const std::int64_t i = (start + t) / hop;
    return i < count ? i : count - 1;
  }
  /// How many samples after the start of frame `i` sample t lies.
  DSP_HD std::int64_t place(std::int64_t i, std::int64_t t) const { return start + t - i * hop; }
  /// The first sample after t, up to `stop`, that lies in another frame.
  DSP_HD std::int64_t end(std::int64_t i, std::int64_t stop) const {
    const std::int64_t next = (i + 1) * hop - start;
    return i + 1 < count && next < stop ? next : stop;
  }
  /// The first sample from `start_at` on in frame `i`.
  DSP_HD std::int64_t begin(std::int64_t i, std::int64_t start_at) const {
    const std::int64_t first = i * hop - start;
    return first > start_at ? first : start_at;
  }
};

/// The coefficients of one stage across one frame, and what its samples owe to two of them.
template <class Op, class T>
struct Framed {
  using Wide = typename Traits<T>::Double;
  using Plain = decltype(primal(T()));
  using PlainWide = decltype(primal(Wide()));
  static constexpr int P = Op::kParams, C = Op::kCoefs;
  std::int64_t now = -1;
  T value[C], rise[C];      // at the frame's start, and from sample to sample
  Wide owed[C], later[C];   // to this frame, and to the one after it

  static DSP_HD void prepare(const Port& params, const Rows& rows, int k, std::int64_t i, Wide* p, Wide* c) {
    for (int j = 0; j < P; ++j) p[j] = load<Wide>(params, rows, k, j, i);
    Op::prepare(p, c);
  }
  DSP_HD void enter(const Frames& grid, const Port& params, const Rows& rows, int k, std::int64_t i) {
    if (i == now) return;
    now = i;
    Wide p[P], here[C], there[C];
    prepare(params, rows, k, i, p, here);
    for (int j = 0; j < C; ++j) value[j] = cast<T>(here[j]), rise[j] = T(0);
    if (i + 1 >= grid.count) return;
    prepare(params, rows, k, i + 1, p, there);
    for (int j = 0; j < C; ++j) rise[j] = cast<T>((there[j] - here[j]) * Wide(1.0 / double(grid.hop)));
  }
  /// Calls use(sample, coefficients) for samples [t0, t0 + n), in this order.
  template <class Use>
  DSP_HD void each(const Frames& grid, const Port& params, const Rows& rows, int k, std::int64_t t0, int n, Use use) {
    for (std::int64_t t = t0; t < t0 + n;) {
      const std::int64_t i = grid.frame(t), stop = grid.end(i, t0 + n);
      enter(grid, params, rows, k, i);
      Plain place(double(grid.place(i, t)));
      T v[C], r[C];
      for (int j = 0; j < C; ++j) v[j] = value[j], r[j] = rise[j];
      for (; t < stop; ++t) {
        T c[C];
        for (int j = 0; j < C; ++j) c[j] = v[j] + scaled(r[j], place);
        use(int(t - t0), c);
        place += Plain(1);
      }
    }
  }
  /// The same from the last sample on; `use` also gets a place to add the coefficients' adjoint to.
  template <class Part, class Use>
  DSP_HD void each_back(const Frames& grid, const Port& params, const Port& gparams, const Rows& rows, int k,
                        std::int64_t t0, int n, const Part& part, Use use) {
    for (std::int64_t stop = t0 + n; stop > t0;) {
      const std::int64_t i = grid.frame(stop - 1), first = grid.begin(i, t0);
      enter(grid, params, rows, k, i);
      settle(params, gparams, rows, k, i, part);
      Plain place(double(grid.place(i, stop - 1)));
      T v[C], r[C], sum[C], placed[C];
      for (int j = 0; j < C; ++j) v[j] = value[j], r[j] = rise[j], sum[j] = placed[j] = T(0);
      for (int at = int(stop - t0) - 1, last = int(first - t0); at >= last; --at) {
        T c[C];
        // What a sample owes times its place, without keeping it: once for every sample after the first one and up to it.
        for (int j = 0; j < C; ++j) c[j] = v[j] + scaled(r[j], place), placed[j] += sum[j];
        use(at, c, sum);
        place -= Plain(1);
      }
      const PlainWide share(i + 1 < grid.count ? 1.0 / double(grid.hop) : 0.0), at_first(double(grid.place(i, first)));
      for (int j = 0; j < C; ++j) {
        const Wide all = cast<Wide>(sum[j]), after = scaled(cast<Wide>(placed[j]) + scaled(all, at_first), share);
        owed[j] += all - after;
        later[j] += after;
      }
      stop = first;
    }
  }

  /// Before the first sample of a backward pass.
  DSP_HD void begin_back() {
    owing = -1;
    for (int j = 0; j < C; ++j) owed[j] = later[j] = Wide(0);
  }
  /// Nothing more is owed to the frames after `i`: their gradients are written.
  template <class Part>
  DSP_HD void settle(const Port& params, const Port& gparams, const Rows& rows, int k, std::int64_t i, const Part& part) {
    if (owing == i) return;
    if (owing >= 0 && !leave(k, part)) {
      give(params, gparams, rows, k, owing + 1, later);
      for (int j = 0; j < C; ++j) later[j] = owed[j], owed[j] = Wide(0);
    }
    owing = i;
  }
  /// After the first sample: what is left.
  template <class Part>
  DSP_HD void settle_all(const Port& params, const Port& gparams, const Rows& rows, int k, const Part& part) {
    if (owing < 0 || leave(k, part)) return;
    give(params, gparams, rows, k, owing + 1, later);
    give(params, gparams, rows, k, owing, owed);
  }

 private:
  std::int64_t owing = -1;

  /// A part of a row leaves what it owes to two frames for dsp/scan.hpp to add up.
  template <class Part>
  DSP_HD bool leave([[maybe_unused]] int k, const Part& part) {
    if constexpr (requires { part.template owing<Wide>(k, owing); }) {
      if (part.whole) return false;
      Wide* to = part.template owing<Wide>(k, owing);
      for (int j = 0; j < C; ++j) {
        if (to) to[j] = owed[j], to[C + j] = later[j];
        owed[j] = later[j] = Wide(0);
      }
      return true;
    }
    return false;
  }

  static DSP_HD void give(const Port& params, const Port& gparams, const Rows& rows, int k, std::int64_t i, const Wide* gc) {
    if ((!gparams.given() && !gparams.tangent.data) || i >= params.size(4)) return;
    Wide p[P], gp[P];
    for (int j = 0; j < P; ++j) p[j] = load<Wide>(params, rows, k, j, i);
    back_to_parameters<Op>(p, gc, gp);
    for (int j = 0; j < P; ++j) store(gparams, rows, gp[j], k, j, i);
  }
};

}  // namespace
}  // namespace dsp
