// One cycle of a wave read at any speed: y[t] = a[t] ((1 - m) w_i(p[t]) + m w_{i+1}(p[t])), where level i
// of the table holds the harmonics that stay below half a cycle per sample up to a frequency, and m fades
// from level to level over the frequencies between two bounds. A level holds values and slopes at even
// places, and a cubic runs through both.
#pragma once

#include "ops/shared/frames.hpp"

namespace dsp {
namespace {

struct Wavetable {
  static constexpr const char* kName = "wavetable";
  static constexpr int kArguments = 5, kResults = 1, kWorkspaces = 0, kScratches = 0;
  static constexpr bool kLanes = false, kWide = false;

  /// Levels (l, places + 1, 2) of one row, the first place again after the last; bounds of the fades.
  template <class T>
  struct Levels {
    using Wide = typename Traits<T>::Double;

    const Port& port;
    std::int64_t row, count, places;
    const double* bounds;

    DSP_HD Levels(const Port& levels, const Port& limits, std::int64_t b)
        : port(levels),
          row(b),
          count(levels.size(1)),
          places(levels.size(2) - 1),
          bounds(static_cast<const double*>(limits.value.data)) {}

    /// The level to read at frequency f, searched from the one of the sample before.
    DSP_HD std::int64_t find(double f, std::int64_t i) const {
      while (i + 1 < count && f >= bounds[i + 1]) ++i;
      while (i > 0 && f < bounds[i]) --i;
      return i;
    }
    template <class S>
    DSP_HD S fade(const S& f, std::int64_t i) const {
      if (i + 1 >= count || primal(primal(f)) < bounds[i]) return f * S(0);  // not a number stays so
      return (f - S(bounds[i])) * S(1 / (bounds[i + 1] - bounds[i]));
    }
    /// Weights of value, slope, next value and next slope at u between two places.
    template <class S>
    static DSP_HD void weights(const S& u, S* w) {
      const S v = S(1) - u, uu = u * u, vv = v * v;
      w[0] = vv * (S(1) + S(2) * u);
      w[1] = vv * u;
      w[2] = uu * (S(3) - S(2) * u);
      w[3] = -(uu * v);
    }
    DSP_HD Wide at(std::int64_t level, std::int64_t place, int corner) const {
      return port.load<Wide>(row, level, place + corner / 2, corner % 2);
    }
    /// The cubic of a level at u past a place, by differences, which keep their digits when derived twice.
    template <class S>
    DSP_HD S cubic(std::int64_t level, std::int64_t place, const S& u) const {
      const Wide from = at(level, place, 0), s0 = at(level, place, 1), s1 = at(level, place, 3);
      const Wide rise = at(level, place, 2) - from;
      return S(from) + u * (S(s0) + u * (S(Wide(3) * rise - Wide(2) * s0 - s1) + u * S(s0 + s1 - Wide(2) * rise)));
    }
    /// The wave at phase p of the fade m from level i; it is read at u past a place.
    template <class S>
    DSP_HD S read(const S& p, const S& m, std::int64_t i, std::int64_t& place, S& u) const {
      const S x = (p - S(std::floor(primal(primal(p))))) * S(double(places));
      place = primal(primal(x)) > 0 ? std::int64_t(primal(primal(x))) : 0;
      if (place > places - 1) place = places - 1;
      u = x - S(double(place));
      const S near = cubic(i, place, u);
      return i + 1 < count ? near + m * (cubic(i + 1, place, u) - near) : near + m;
    }
  };

  /// Arguments amplitude (b, f), levels (b, l, m, 2), f0 and phase at every frame's start (b, f), bounds
  /// (l); result y (b, t).
  struct Forward {
    static constexpr int kPorts = 6;
    Port amplitude, levels, f0, phase, bounds, y;
    Attrs attrs;  // hop, start, t

    std::int64_t rows() const { return f0.size(0); }
    std::int64_t work() const { return f0.size(0) * attrs.value[2] * 8; }

    template <class T>
    DSP_HD void run(std::int64_t row, std::int64_t) const {
      using Wide = typename Traits<T>::Double;
      const FrameGrid grid(attrs, f0.size(1));
      const Series<typename Traits<T>::Real, T> gain(amplitude, row), out(y, row);
      const Series<double, Wide> frequency(f0, row), p(phase, row);
      const Levels<T> table(levels, bounds, row);
      std::int64_t level = 0, place;
      for (std::int64_t i = 0; i < grid.frames; ++i) {
        const std::int64_t j = grid.next(i);
        const Glide<Wide> f(frequency, i, j), a(gain, i, j);
        const Wide p_i = p[i];
        for (std::int64_t t = grid.begin(i); t < grid.begin(i + 1); ++t) {
          const double u = grid.place(i, t), part = u / double(grid.hop);
          const Wide at_p = p_i + f.turned(u, grid.ramp(u)), at_f = abs_(f.at(part));
          level = table.find(primal(at_f), level);
          Wide past;
          const Wide v = table.read(at_p, table.fade(at_f, level), level, place, past);
          out.put(t, cast<T>(a.at(part) * v));
        }
      }
    }
  };

  struct Backward {
    static constexpr int kPorts = 11;
    Port amplitude, levels, f0, phase, bounds, gy, gamplitude, glevels, gf0, gphase, gbounds;
    Attrs attrs;

    std::int64_t rows() const { return f0.size(0); }
    std::int64_t work() const { return f0.size(0) * attrs.value[2] * 16; }

    template <class T>
    DSP_HD void run(std::int64_t row, std::int64_t) const {
      using Real = typename Traits<T>::Real;
      using Wide = typename Traits<T>::Double;
      using Slopes = Dual<Wide, 2>;
      const FrameGrid grid(attrs, f0.size(1));
      const Series<Real, T> gain(amplitude, row), g(gy, row);
      const Series<double, Wide> frequency(f0, row), p(phase, row);
      const Levels<T> table(levels, bounds, row);
      clear<T>(row, grid, table);
      const bool learns = glevels.given() || glevels.tangent.data;
      std::int64_t level = 0, place;
      for (std::int64_t i = 0; i < grid.frames; ++i) {
        const std::int64_t j = grid.next(i);
        const Glide<Wide> f(frequency, i, j), a(gain, i, j);
        const Wide p_i = p[i];
        Owed<Wide> to_a, to_f;
        Wide to_p(0);
        for (std::int64_t t = grid.begin(i); t < grid.begin(i + 1); ++t) {
          const double u = grid.place(i, t), part = u / double(grid.hop), ramp = grid.ramp(u);
          Slopes at_p(p_i + f.turned(u, ramp)), at_f(f.at(part));
          at_p.d[0] = Wide(1);
          at_f.d[1] = Wide(1);
          if (primal(primal(at_f)) < 0) at_f = -at_f;
          level = table.find(primal(primal(at_f)), level);
          Slopes past;
          const Slopes fade = table.fade(at_f, level), v = table.read(at_p, fade, level, place, past);
          const Wide gt = cast<Wide>(g[t]), scaled = gt * a.at(part), gp_t = scaled * v.d[0];
          to_p += gp_t;
          to_a.add(gt * v.v, part);
          to_f.add_turned(gp_t, u, ramp);
          to_f.add(scaled * v.d[1], part);
          Wide w[4];
          table.weights(past.v, w);
          for (int c = 0; learns && c < 4; ++c) {
            const Series<double, Wide> near(glevels, row, level, place + c / 2);
            near.add_out(c % 2, scaled * w[c] * (Wide(1) - fade.v));
            if (level + 1 >= table.count) continue;
            const Series<double, Wide> far(glevels, row, level + 1, place + c / 2);
            far.add_out(c % 2, scaled * w[c] * fade.v);
          }
        }
        to_a.give(Series<Real, T>(gamplitude, row), i, j);
        to_f.give(Series<double, Wide>(gf0, row), i, j);
        gphase.store(to_p, row, i);
      }
    }
    template <class T>
    DSP_HD void clear(std::int64_t row, const FrameGrid& grid, const Levels<T>& table) const {
      using Wide = typename Traits<T>::Double;
      for (std::int64_t i = 0; i < grid.frames; ++i) clear_frame(row, i, gamplitude, gf0);
      if (!glevels.given() && !glevels.tangent.data) return;
      for (std::int64_t l = 0; l < table.count; ++l)
        for (std::int64_t m = 0; m <= table.places; ++m)
          for (int c = 0; c < 2; ++c) glevels.store(Wide(0), row, l, m, c);
    }
  };
};

const Register<Wavetable> kWavetable;

}  // namespace
}  // namespace dsp
