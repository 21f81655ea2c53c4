// Saw, pulse and triangle without aliases. The ideal wave, a piecewise line over the phase p, is convolved
// with a low-pass kernel as wide as a fixed number of samples: what that adds to the line is a residual
// R(d / f) at every jump, d away in phase, and f Q(d / f) at every corner, Q the integral of R. Both are
// read from a table with quintic Hermite interpolation, so the wave is smooth in phase, frequency and width.
// Controls come per frame, linear in between, with the phase at every frame's start.
#pragma once

#include "ops/shared/frames.hpp"

namespace dsp {
namespace {

/// Q, R right of the jump (from -1/2 to 0), the low-pass h = R' and its slope, from 0 on, `steps` values
/// a sample: each row is the derivative of the one before.
struct Residuals {
  const double* rows;
  std::int64_t count;
  double steps;

  DSP_HD double reach() const { return double(count - 1) / steps; }

  /// Row `r` at x >= 0: the quintic that has its values and its first two derivatives.
  template <class S>
  DSP_HD S at(int r, const S& x) const {
    const S place = x * S(steps);
    std::int64_t i = std::int64_t(primal(place));
    if (i > count - 2) i = count - 2;
    const double* v = rows + r * count + i;
    const double* d = v + count;
    const double* e = d + count;
    const double d0 = d[0] / steps, d1 = d[1] / steps, e0 = e[0] / (2 * steps * steps), e1 = e[1] / (2 * steps * steps);
    // What the first three terms leave open at the far end, in value, slope and half the bend.
    const double dv = v[1] - v[0] - d0 - e0, ds = d1 - d0 - 2 * e0, de = e1 - e0;
    const S u = place - S(double(i));
    const S far = S(10 * dv - 4 * ds + de) + u * (S(-15 * dv + 7 * ds - 2 * de) + u * S(6 * dv - 3 * ds + de));
    return S(v[0]) + u * (S(d0) + u * (S(e0) + u * far));
  }
  /// What a step of 1 at phase 0 and all whole ones leaves at q, between 0 and 1, and a corner there.
  template <class S>
  DSP_HD S residual(const S& x, bool right) const {
    return right ? at(1, x) : -at(1, -x);
  }
  template <class S>
  DSP_HD S corner(const S& x, bool right) const {
    return at(0, right ? x : -x);
  }

  /// The sum of `shape` at every whole number within reach of q.
  template <class S, class Shape>
  DSP_HD S around(const S& q, const S& f, Shape shape) const {
    S sum(0);
    const double wide = primal(f) * reach(), from = primal(q);
    if (!(wide > 0) || wide > 64) return sum;
    const S inverse = S(1) / f;
    for (double n = std::ceil(from - wide); n <= from + wide; n += 1) {
      const S x = (q - S(n)) * inverse;
      if (std::fabs(primal(x)) < reach()) sum += shape(x, n <= 0);
    }
    return sum;
  }
};

struct Oscillator {
  static constexpr const char* kName = "oscillator";
  static constexpr int kArguments = 5, kResults = 1, kWorkspaces = 0, kScratches = 0;
  static constexpr bool kLanes = false, kWide = false;
  enum Shape { kSaw, kPulse, kTriangle };

  template <class S>
  static DSP_HD S fraction(const S& p) {
    return p - S(std::floor(primal(p)));
  }
  template <class S>
  static DSP_HD S saw(const Residuals& kernel, const S& p, const S& f) {
    const S q = fraction(p);
    return S(2) * q - S(1) - S(2) * kernel.around(q, f, [&](const S& x, bool right) { return kernel.residual(x, right); });
  }
  template <class S>
  static DSP_HD S corners(const Residuals& kernel, const S& p, const S& f) {
    return f * kernel.around(fraction(p), f, [&](const S& x, bool right) { return kernel.corner(x, right); });
  }

  /// One sample of the wave at phase p, frequency f and, for a pulse, width w.
  template <class S>
  static DSP_HD S wave(const Residuals& kernel, int shape, const S& p, const S& f, const S& w) {
    const S size = primal(f) < 0 ? -f : f;
    if (shape == kSaw) return saw(kernel, p, size);
    if (shape == kPulse) return saw(kernel, p - w, size) - saw(kernel, p, size) + S(2) * w - S(1);
    const S up = p + S(0.25), q = fraction(up) - S(0.5);
    const S line = S(1) - S(4) * (primal(q) < 0 ? -q : q);
    return line + S(8) * (corners(kernel, up, size) - corners(kernel, up - S(0.5), size));
  }

  static DSP_HD Residuals kernel_of(const Port& table, const Attrs& attrs) {
    return {static_cast<const double*>(table.value.data), table.size(1), double(attrs.value[4])};
  }

  /// Arguments amplitude, f0, width and phase at every frame's start (b, f), residuals (4, n); y (b, t).
  struct Forward {
    static constexpr int kPorts = 6;
    Port amplitude, f0, width, phase, table, y;
    Attrs attrs;  // hop, start, t, shape, steps

    std::int64_t rows() const { return frame_items(f0); }
    std::int64_t work() const { return f0.size(0) * attrs.value[2] * 8; }

    template <class T>
    DSP_HD void run(std::int64_t item, std::int64_t) const {
      const FrameGrid grid(attrs, f0.size(1));
      each_frame(grid, item, [&](std::int64_t row, std::int64_t i) { frame<T>(grid, row, i); });
    }
    template <class T>
    DSP_HD void frame(const FrameGrid& grid, std::int64_t row, std::int64_t i) const {
      using Real = typename Traits<T>::Real;
      using Wide = typename Traits<T>::Double;
      using Control = Glide<Wide>;
      const std::int64_t j = grid.next(i);
      const Control a(Series<Real, T>(amplitude, row), i, j), f(Series<double, Wide>(f0, row), i, j),
          w(Series<double, Wide>(width, row), i, j);
      const Series<Real, T> out(y, row);
      const Residuals kernel = kernel_of(table, attrs);
      const Wide p = phase.load<Wide>(row, i);
      for (std::int64_t t = grid.begin(i); t < grid.begin(i + 1); ++t) {
        const double u = grid.place(i, t), part = u / double(grid.hop);
        const Wide v = wave(kernel, int(attrs.value[3]), p + f.turned(u, grid.ramp(u)), f.at(part), w.at(part));
        out.put(t, cast<T>(a.at(part) * v));
      }
    }
  };

  struct Backward {
    static constexpr int kPorts = 11;
    Port amplitude, f0, width, phase, table, gy, gamplitude, gf0, gwidth, gphase, gtable;
    Attrs attrs;

    // The table is fixed: nothing asks for its gradient.
    std::int64_t rows() const { return frame_items(f0); }
    std::int64_t work() const { return f0.size(0) * attrs.value[2] * 16; }

    template <class T>
    DSP_HD void run(std::int64_t item, std::int64_t) const {
      const FrameGrid grid(attrs, f0.size(1));
      each_frame_back(
          grid, item,
          [&](std::int64_t row, std::int64_t i) { clear_frame(row, i, gamplitude, gf0, gwidth, gphase); },
          [&](std::int64_t row, std::int64_t i, bool own, bool after) { frame<T>(grid, row, i, own, after); });
    }

    /// What the samples of frame i owe to its own controls and to those of the frame after.
    template <class T>
    DSP_HD void frame(const FrameGrid& grid, std::int64_t row, std::int64_t i, bool own, bool after) const {
      using Real = typename Traits<T>::Real;
      using Wide = typename Traits<T>::Double;
      using Slopes = Dual<Wide, 3>;
      using Control = Glide<Wide>;
      const std::int64_t j = grid.next(i);
      const Control a(Series<Real, T>(amplitude, row), i, j), f(Series<double, Wide>(f0, row), i, j),
          w(Series<double, Wide>(width, row), i, j);
      const Series<Real, T> g(gy, row);
      const Residuals kernel = kernel_of(table, attrs);
      const Wide p = phase.load<Wide>(row, i);
      Owed<Wide> to_a, to_f, to_w;
      Wide to_p(0);
      for (std::int64_t t = grid.begin(i); t < grid.begin(i + 1); ++t) {
        const double u = grid.place(i, t), part = u / double(grid.hop), ramp = grid.ramp(u);
        Slopes at_p(p + f.turned(u, ramp)), at_f(f.at(part)), at_w(w.at(part));
        at_p.d[0] = Wide(1);
        at_f.d[1] = Wide(1);
        at_w.d[2] = Wide(1);
        const Slopes v = wave(kernel, int(attrs.value[3]), at_p, at_f, at_w);
        const Wide gt = cast<Wide>(g[t]), scaled = gt * a.at(part), gp_t = scaled * v.d[0];
        to_p += gp_t;
        to_a.add(gt * v.v, part);
        to_f.add_turned(gp_t, u, ramp);
        to_f.add(scaled * v.d[1], part);
        to_w.add(scaled * v.d[2], part);
      }
      to_a.give(Series<Real, T>(gamplitude, row), i, j, own, after);
      to_f.give(Series<double, Wide>(gf0, row), i, j, own, after);
      to_w.give(Series<double, Wide>(gwidth, row), i, j, own, after);
      if (own) gphase.store(to_p, row, i);
    }
  };
};

const Register<Oscillator> kOscillator;

}  // namespace
}  // namespace dsp
