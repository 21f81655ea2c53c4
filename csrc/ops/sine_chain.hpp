// A chain of sines: h_l = sum_m a_lm sin(w_lm u_l + p_lm), u_l = t + h_(l-1), or h_(l-1) alone, or its sine
// in place of h_(l-1). Times lie on the lanes. The backward pass keeps what the layers of a group of times
// heard on the stack, kKept layers at once; what deeper chains had before is marked and taken again. Times
// come in parts of a fixed length, each of which gives its own sums of the gradients of the weights, so
// that these do not depend on the threads.
#pragma once

#include "dsp/op.hpp"
#include "ops/shared/circle.hpp"

namespace dsp {
namespace {

struct SineChain {
  static constexpr const char* kName = "sine_chain";
  static constexpr int kArguments = 4, kResults = 1, kWorkspaces = 0, kScratches = 0;
  static constexpr bool kLanes = false, kWide = false;
  static constexpr int kKept = 32, kMarks = 32;  // of layers: 1,024 at most, as dspcore/ops/sine_chain.py says
#ifdef __CUDACC__
  static constexpr int kPacks = 1;
#else
  static constexpr int kPacks = 8;  // of times that share what is read of the weights
#endif

  /// The weights of one part of a row, and what a layer makes of what it hears.
  template <class T>
  struct Chain {
    using Real = typename Traits<T>::Real;
    using V = typename Abreast<T>::Type;

    const Port &amplitude, &frequency, &phase;
    std::int64_t row, part;
    int layers, waves;
    bool time_passed_on, sine_between;

    DSP_HD Chain(const Port& a, const Port& w, const Port& p, std::int64_t b, std::int64_t q, const Attrs& attrs)
        : amplitude(a), frequency(w), phase(p), row(b), part(q), layers(int(a.size(2))), waves(int(a.size(3))),
          time_passed_on(attrs.value[1] != 0), sine_between(attrs.value[2] != 0) {}

    /// What layer l hears, of the time and of the sum of the layer before.
    DSP_HD V heard(int l, const V& time, const V& before) const {
      if (l == 0) return time;
      V s = before, c;
      if (sine_between) sines(before, s, c);
      return time_passed_on ? time + s : s;
    }
    /// What layer l owes to the sum of the layer before, having `g` to what it heard.
    DSP_HD V owed(int l, const V& before, const V& g) const {
      if (l == 0 || !sine_between) return g;
      V s, c;
      sines(before, s, c);
      return g * c;
    }
    /// Turns the sums of layer l - 1 into those of layer l.
    DSP_HD void step(int l, const V* time, V* sum) const {
      const Series<Real, T> as(amplitude, row, part, l), ws(frequency, row, part, l), ps(phase, row, part, l);
      V u[kPacks];
      for (int q = 0; q < kPacks; ++q) {
        u[q] = heard(l, time[q], sum[q]);
        sum[q] = V(Real(0));
      }
      for (int m = 0; m < waves; ++m) {
        const V a = spread<V>(as[m]), w = spread<V>(ws[m]), p = spread<V>(ps[m]);
        for (int q = 0; q < kPacks; ++q) {
          V s, c;
          sines(w * u[q] + p, s, c);
          sum[q] += a * s;
        }
      }
    }
  };

  /// Calls work(first, count) for groups of kPacks packs of the times [begin, end).
  template <class V, class Work>
  static DSP_HD void each_group(std::int64_t begin, std::int64_t end, Work work) {
    constexpr std::int64_t kTimes = kPacks * Traits<V>::kLanes;
    for (std::int64_t n = begin; n < end; n += kTimes) work(n, int(end - n < kTimes ? end - n : kTimes));
  }
  template <class V, class S>
  static DSP_HD void read_group(const S& from, std::int64_t first, int count, V* to) {
    constexpr int kWidth = Traits<V>::kLanes;
    for (int q = 0; q < kPacks; ++q) {
      const int left = count - q * kWidth;
      to[q] = abreast<V>(from, first + q * kWidth, left < kWidth ? (left > 0 ? left : 0) : kWidth);
    }
  }
  template <class V, class S>
  static DSP_HD void write_group(const S& to, std::int64_t first, int count, const V* from) {
    constexpr int kWidth = Traits<V>::kLanes;
    for (int m = 0; m < count; ++m) to.put(first + m, lane(from[m / kWidth], m % kWidth));
  }

  /// Arguments t (b, n), amplitude, frequency and phase (b, parts, l, m); result y (b, n).
  struct Forward {
    static constexpr int kPorts = 5;
    Port t, amplitude, frequency, phase, y;
    Attrs attrs;  // times in a part, whether time is passed on, whether a sine lies between layers

#ifdef __CUDACC__
    std::int64_t rows() const { return t.size(0) * t.size(1); }
#else
    std::int64_t rows() const { return t.size(0) * amplitude.size(1); }
#endif
    std::int64_t work() const { return t.size(0) * t.size(1) * amplitude.size(2) * amplitude.size(3) / 4; }

    template <class T>
    DSP_HD void run(std::int64_t item, std::int64_t) const {
#ifdef __CUDACC__
      const std::int64_t b = item / t.size(1), n = item % t.size(1);
      times<T>(b, n / attrs.value[0], n, n + 1);
#else
      const std::int64_t b = item / amplitude.size(1), part = item % amplitude.size(1), begin = part * attrs.value[0];
      times<T>(b, part, begin, begin + attrs.value[0] < t.size(1) ? begin + attrs.value[0] : t.size(1));
#endif
    }
    template <class T>
    DSP_HD void times(std::int64_t b, std::int64_t part, std::int64_t begin, std::int64_t end) const {
      using V = typename Chain<T>::V;
      const Chain<T> chain(amplitude, frequency, phase, b, part, attrs);
      const Series<typename Traits<T>::Real, T> in(t, b), out(y, b);
      each_group<V>(begin, end, [&](std::int64_t first, int count) {
        V time[kPacks], sum[kPacks];
        read_group(in, first, count, time);
        for (int q = 0; q < kPacks; ++q) sum[q] = V(typename Traits<T>::Real(0));
        for (int l = 0; l < chain.layers; ++l) chain.step(l, time, sum);
        write_group(out, first, count, sum);
      });
    }
  };

  struct Backward {
    static constexpr int kPorts = 9;
    Port t, amplitude, frequency, phase, gy, gt, gamplitude, gfrequency, gphase;
    Attrs attrs;

    std::int64_t rows() const { return t.size(0) * amplitude.size(1); }
    std::int64_t work() const { return t.size(0) * t.size(1) * amplitude.size(2) * amplitude.size(3); }

    template <class T>
    DSP_HD void run(std::int64_t item, std::int64_t) const {
      using Real = typename Traits<T>::Real;
      using V = typename Chain<T>::V;
      const std::int64_t b = item / amplitude.size(1), part = item % amplitude.size(1), begin = part * attrs.value[0];
      const std::int64_t end = begin + attrs.value[0] < t.size(1) ? begin + attrs.value[0] : t.size(1);
      const Chain<T> chain(amplitude, frequency, phase, b, part, attrs);
      const Series<Real, T> in(t, b), gout(gy, b), gin(gt, b);
      for (int l = 0; l < chain.layers; ++l)
        for (int m = 0; m < chain.waves; ++m) {
          gamplitude.store(T(0), b, part, l, m);
          gfrequency.store(T(0), b, part, l, m);
          gphase.store(T(0), b, part, l, m);
        }
      each_group<V>(begin, end, [&](std::int64_t first, int count) {
        // before[i] is the sum that layer `base + i` heard; marks[i] that of layer i * kKept.
        V time[kPacks], sum[kPacks], g[kPacks], gtime[kPacks], before[kKept][kPacks], marks[kMarks][kPacks];
        read_group(in, first, count, time);
        read_group(gout, first, count, g);
        const auto layers = [&](int base, int last) {
          for (int l = base; l < last; ++l) {
            for (int q = 0; q < kPacks; ++q) before[l - base][q] = sum[q];
            if (l + 1 < last || last < chain.layers) chain.step(l, time, sum);
          }
        };
        for (int q = 0; q < kPacks; ++q) sum[q] = gtime[q] = V(Real(0));
        int base = 0;
        for (;; base += kKept) {
          for (int q = 0; q < kPacks; ++q) marks[base / kKept][q] = sum[q];
          layers(base, base + kKept < chain.layers ? base + kKept : chain.layers);
          if (base + kKept >= chain.layers) break;
        }
        for (int l = chain.layers - 1; l >= 0; --l) {
          if (l < base) {
            base -= kKept;
            for (int q = 0; q < kPacks; ++q) sum[q] = marks[base / kKept][q];
            layers(base, base + kKept);
          }
          back(chain, l, time, before[l - base], g, gtime);
        }
        write_group(gin, first, count, gtime);
      });
    }

    /// From what is owed by the sums of layer l, `g`, to its weights, the time and the layer before.
    template <class T, class V>
    DSP_HD void back(const Chain<T>& chain, int l, const V* time, const V* before, V* g, V* gtime) const {
      using Real = typename Traits<T>::Real;
      const std::int64_t b = chain.row, part = chain.part;
      const Series<Real, T> as(amplitude, b, part, l), ws(frequency, b, part, l), ps(phase, b, part, l);
      V u[kPacks], gu[kPacks];
      for (int q = 0; q < kPacks; ++q) {
        u[q] = chain.heard(l, time[q], before[q]);
        gu[q] = V(Real(0));
      }
      for (int m = 0; m < chain.waves; ++m) {
        const V a = spread<V>(as[m]), w = spread<V>(ws[m]), p = spread<V>(ps[m]);
        V ga(Real(0)), gw(Real(0)), gp(Real(0));
        for (int q = 0; q < kPacks; ++q) {
          V s, c;
          sines(w * u[q] + p, s, c);
          const V slope = g[q] * a * c;
          ga += g[q] * s;
          gp += slope;
          gw += slope * u[q];
          gu[q] += slope * w;
        }
        add(gamplitude, total(ga), b, part, l, m);
        add(gfrequency, total(gw), b, part, l, m);
        add(gphase, total(gp), b, part, l, m);
      }
      for (int q = 0; q < kPacks; ++q) {
        if (l == 0 || chain.time_passed_on) gtime[q] += gu[q];
        g[q] = chain.owed(l, before[q], gu[q]);
      }
    }

    template <class T, class... Index>
    static DSP_HD void add(const Port& port, const T& x, Index... index) {
      if (port.given() || port.tangent.data) Series<typename Traits<T>::Real, T>(port, index...).add_out(0, x);
    }
  };
};

const Register<SineChain> kSineChain;

}  // namespace
}  // namespace dsp
