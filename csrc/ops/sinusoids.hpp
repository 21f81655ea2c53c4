// A bank of free partials: y[t] = sum_k a_k[t] sin(2 pi p_k[t]), p_k[t+1] = p_k[t] + f_k[t], with
// amplitudes and frequencies given per frame and linear in between. Inside a frame the phase has a closed
// form, evaluated in float64 and wrapped before it becomes a float, so it does not drift: ten minutes
// cost no more than rounding. The backward pass runs time backwards and keeps nothing of size b x k x t.
#pragma once

#include "dsp/op.hpp"
#include "ops/shared/circle.hpp"
#ifndef __CUDACC__
#include "ops/shared/audio_rate.hpp"
#include "ops/shared/partials.hpp"
#endif

namespace dsp {
namespace {

struct Sinusoids {
  static constexpr const char* kName = "sinusoids";
  static constexpr int kArguments = 3, kResults = 2, kWorkspaces = 1, kScratches = 0;
  static constexpr bool kLanes = false, kWide = false;

  /// The frame grid: sample t lies at place u of frame i, start + t = i * hop + u.
  struct Grid {
    std::int64_t hop, start, length, frames;

    DSP_HD std::int64_t frame(std::int64_t t) const { return (start + t) / hop; }
    DSP_HD std::int64_t next(std::int64_t i) const { return i + 1 < frames ? i + 1 : frames - 1; }
    /// The end of the stretch from t that stays in its frame and in a chunk.
    DSP_HD std::int64_t end(std::int64_t t) const {
      const std::int64_t edge = (frame(t) + 1) * hop - start;
      const std::int64_t chunk = t + kChunk < length ? t + kChunk : length;
      return edge < chunk ? edge : chunk;
    }
    /// The start of the stretch that ends at e.
    DSP_HD std::int64_t begin(std::int64_t e) const {
      const std::int64_t edge = frame(e - 1) * hop - start;
      const std::int64_t chunk = e > kChunk ? e - kChunk : 0;
      return edge > chunk ? edge : chunk;
    }
  };

  /// Samples [t, t + n) of a frame: how far the phase has gone after m of them is f m + rise r(m).
  struct Stretch {
    double u, hop;

    DSP_HD double ramp(int m) const { return m * (u + 0.5 * (m - 1)) / hop; }
    DSP_HD double place(int m) const { return (u + m) / hop; }
  };

  /// The frequencies of a partial, or their gradient: float64, or float32 as given per sample.
  template <class Wide>
  struct Control {
    Port port;

    DSP_HD Control(const Port& whole, std::int64_t row, std::int64_t k) : port(whole.from(row, k)) {}
    DSP_HD bool wanted() const { return port.given() || port.tangent.data; }
    DSP_HD Wide operator[](std::int64_t i) const { return port.template load<Wide>(0, 0, i); }
    DSP_HD void put(std::int64_t i, const Wide& x) const { port.store(x, 0, 0, i); }
    DSP_HD static void add(const View& view, std::int64_t i, double x) {
      if (!view.data) return;
      const std::int64_t offset = Port::at(view, 0, 0, i);
      Port::put(view, offset, Port::read<double>(view, offset) + x);
    }
    DSP_HD void add_out(std::int64_t i, const Wide& x) const {
      if constexpr (std::is_arithmetic_v<Wide>) {
        add(port.value, i, x);
      } else {
        add(port.value, i, x.v);
        add(port.tangent, i, x.d[0]);
      }
    }
  };

  /// Arguments amplitudes and frequencies (b, k, f), phases (b, k); results y (b, t), phases after, which are kept.
  struct Forward {
    static constexpr int kPorts = 6;
    Port amplitudes, frequencies, phase, y, phase_out, after;
    Attrs attrs;  // hop, start, t

    std::int64_t rows() const { return frequencies.size(0); }
    std::int64_t work() const { return rows() * frequencies.size(1) * attrs.value[2]; }

    template <class T>
    DSP_HD void run(std::int64_t row, std::int64_t) const {
      using Real = typename Traits<T>::Real;
      using Wide = typename Traits<T>::Double;
      const Grid grid{attrs.value[0], attrs.value[1], attrs.value[2], frequencies.size(2)};
      const int partials = int(frequencies.size(1));
      const Series<double, Wide> last(phase_out, row);
      const Series<Real, T> out(y, row);
      for (int k = 0; k < partials; ++k) last.put(k, phase.load<Wide>(row, k));
      bool done = false;
#ifndef __CUDACC__
      if constexpr (std::is_same_v<T, float>) {
        const bool wide = frequencies.value.bits == 64;
        done = grid.length > 0 && (grid.hop == 1 || wide);
        if (done && grid.hop == 1)
          wide ? audio_rate_sum<double>(*this, row) : audio_rate_sum<float>(*this, row);
        else if (done)
          frame_rate_sum(*this, row);
      }
#endif
      for (std::int64_t t = done ? grid.length : 0; t < grid.length;) {
        const int n = int(grid.end(t) - t);
        const std::int64_t i = grid.frame(t), j = grid.next(i);
        const Stretch stretch{double(grid.start + t - i * grid.hop), double(grid.hop)};
        T sum[kChunk];
        for (int m = 0; m < n; ++m) sum[m] = T(0);
        for (int k = 0; k < partials; ++k) {
          const Control<Wide> f(frequencies, row, k);
          const Series<Real, T> a(amplitudes, row, k);
          const Wide f0 = f[i], rise = f[j] - f0, p = last[k];
          const T a0 = a[i], slope = a[j] - a0;
          for (int m = 0; m < n; ++m) {
            T s, c;
            circle(p + f0 * Wide(double(m)) + rise * Wide(stretch.ramp(m)), s, c);
            sum[m] += (a0 + slope * T(Real(stretch.place(m)))) * s;
          }
          last.put(k, wrap(p + f0 * Wide(double(n)) + rise * Wide(stretch.ramp(n))));
        }
        for (int m = 0; m < n; ++m) out.put(t + m, sum[m]);
        t += n;
      }
      for (int k = 0; k < partials; ++k) after.store(last[k], row, k);
    }
  };

  struct Backward {
    static constexpr int kPorts = 9;
    Port amplitudes, frequencies, phase, after, gy, gphase_out, gamplitudes, gfrequencies, gphase;
    Attrs attrs;

    std::int64_t rows() const { return frequencies.size(0); }
    std::int64_t work() const { return 2 * rows() * frequencies.size(1) * attrs.value[2]; }

    template <class T>
    DSP_HD void run(std::int64_t row, std::int64_t) const {
      using Real = typename Traits<T>::Real;
      using Wide = typename Traits<T>::Double;
      const Grid grid{attrs.value[0], attrs.value[1], attrs.value[2], frequencies.size(2)};
      const int partials = int(frequencies.size(1));
      const Series<Real, T> gout(gy, row);
#ifndef __CUDACC__
      if constexpr (std::is_same_v<T, float>) {
        if (grid.hop == 1)
          return frequencies.value.bits == 32 ? audio_rate_back<float>(*this, row) : audio_rate_back<double>(*this, row);
        if (frequencies.value.bits == 64) return frame_rate_back(*this, row);
      }
#endif
      for (int k = 0; k < partials; ++k) {
        const Control<Wide> f(frequencies, row, k), gf(gfrequencies, row, k);
        const Series<Real, T> a(amplitudes, row, k), ga(gamplitudes, row, k);
        Wide p = after.load<Wide>(row, k);
        for (std::int64_t i = 0; i < grid.frames; ++i) {
          gf.put(i, Wide(0));
          ga.put(i, T(0));
        }
        // Adjoints of one frame's value and of its rise to the next, gathered while the frame lasts.
        Wide gp = gphase_out.load<Wide>(row, k);
        for (std::int64_t e = grid.length; e > 0;) {
          const std::int64_t t = grid.begin(e);
          const int n = int(e - t);
          const std::int64_t i = grid.frame(t), j = grid.next(i);
          const Stretch stretch{double(grid.start + t - i * grid.hop), double(grid.hop)};
          const Wide f0 = f[i], rise = f[j] - f0;
          const T a0 = a[i], slope = a[j] - a0;
          p -= f0 * Wide(double(n)) + rise * Wide(stretch.ramp(n));
          T gphases(0), gf0(0), grise(0), ga0(0), gslope(0);
          for (int m = 0; m < n; ++m) {
            T s, c;
            circle(p + f0 * Wide(double(m)) + rise * Wide(stretch.ramp(m)), s, c);
            const T place(Real(stretch.place(m)));
            const T g = gout[t + m], gs = g * s;
            const T turn = g * (a0 + slope * place) * c * T(Real(6.283185307179586));
            ga0 += gs;
            gslope += gs * place;
            gphases += turn;
            gf0 += turn * T(Real(m));
            grise += turn * T(Real(stretch.ramp(m)));
          }
          const Wide wide_rise = cast<Wide>(grise) + gp * Wide(stretch.ramp(n));
          const Wide wide_value = cast<Wide>(gf0) + gp * Wide(double(n));
          if (gf.wanted()) {
            gf.add_out(i, wide_value - wide_rise);
            gf.add_out(j, wide_rise);
          }
          if (ga.value || ga.tangent) {
            ga.add_out(i, ga0 - gslope);
            ga.add_out(j, gslope);
          }
          gp += cast<Wide>(gphases);
          e = t;
        }
        gphase.store(gp, row, k);
      }
    }
  };
};

const Register<Sinusoids> kSinusoids;

}  // namespace
}  // namespace dsp
