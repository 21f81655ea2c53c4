// Harmonics of one fundamental: y[t] = sum_k a_k[t] sin(2 pi k p[t]), silent where k f[t] reaches half a
// cycle per sample, with amplitudes and frequency given per frame and linear in between. The phase at
// every frame's start comes in, in float64; inside the frame it has a closed form. From harmonic to
// harmonic the sine is rotated on by the fundamental's, and set afresh every kRun harmonics so that
// rounding does not add up. Samples lie on the lanes; nothing of size b x k x t exists.
#pragma once

#include "ops/shared/circle.hpp"
#include "ops/shared/frames.hpp"

namespace dsp {
namespace {

struct Harmonics {
  static constexpr const char* kName = "harmonics";
  static constexpr int kArguments = 3, kResults = 1, kWorkspaces = 0, kScratches = 0;
  static constexpr bool kLanes = false, kWide = false;

  static constexpr int kRun = 16;  // harmonics between two anchors of the rotation
#ifdef __CUDACC__
  static constexpr int kBlock = 32;  // harmonics whose amplitudes a thread holds
#else
  static constexpr int kBlock = 128;
#endif

  /// Samples [t, t + n) of frame i, at most a chunk: the fundamental's sine and cosine there.
  template <class T>
  struct Stretch {
    using Real = typename Traits<T>::Real;
    using Wide = typename Traits<T>::Double;
    using V = typename Abreast<T>::Type;
    static constexpr int kWidth = Traits<V>::kLanes, kPacks = kChunk / kWidth;

    V place[kPacks], s1[kPacks], c1[kPacks], limit[kPacks];
    const FrameGrid& grid;
    double u, hop;
    int n, packs;
    std::int64_t full, most;  ///< harmonics heard throughout, and at all
    Wide phase;
    Glide<Wide> f;

    DSP_HD Wide at(int m) const {
      const double v = u + (m < n ? m : n - 1);
      return wrap(phase + f.turned(v, grid.ramp(v)));
    }
    /// Harmonics below half a cycle per sample; all of them where the frequency is not a number.
    DSP_HD std::int64_t audible(int m, std::int64_t harmonics) const {
      const double size = std::fabs(primal(f.at((u + m) / hop)));
      if (!(size * double(harmonics) >= 0.5)) return harmonics;
      std::int64_t k = std::int64_t(0.5 / size);
      if (k > harmonics) k = harmonics;
      while (k > 0 && size * double(k) >= 0.5) --k;
      while (k < harmonics && size * double(k + 1) < 0.5) ++k;
      return k;
    }

    DSP_HD Stretch(const FrameGrid& frames, std::int64_t i, std::int64_t t, int count, const Wide& p,
                   const Glide<Wide>& f0, std::int64_t harmonics)
        : grid(frames), u(grid.place(i, t)), hop(double(grid.hop)), n(count), phase(p), f(f0) {
      packs = (n + kWidth - 1) / kWidth;
      const std::int64_t a = audible(0, harmonics), b = audible(n - 1, harmonics);
      const bool crosses = primal(f.value) * primal(f.at(1)) < 0;
      full = a < b ? a : b;
      most = crosses ? harmonics : a < b ? b : a;
      for (int v = 0; v < packs; ++v)
        for (int l = 0; l < kWidth; ++l) {
          const int m = v * kWidth + l;
          T s, c;
          circle(at(m), s, c);
          set_lane(s1[v], l, s);
          set_lane(c1[v], l, c);
          set_lane(place[v], l, T(Real((u + m) / hop)));
          if (full < most) set_lane(limit[v], l, T(Real(m < n ? audible(m, harmonics) : 0)));
        }
    }
    /// Sine and cosine of `k` times the phase.
    DSP_HD void times(int v, double k, V& s, V& c) const {
      for (int l = 0; l < kWidth; ++l) {
        T sl, cl;
        circle(at(v * kWidth + l) * Wide(k), sl, cl);
        set_lane(s, l, sl);
        set_lane(c, l, cl);
      }
    }
  };

  /// Packs that go through the harmonics together: as many as registers hold.
#if defined(__AVX512F__)
  static constexpr int kGroup = 4;
#elif defined(__CUDACC__)
  static constexpr int kGroup = 1;
#else
  static constexpr int kGroup = 2;
#endif

  /// Calls work(k, s, c) for harmonics [first, last), counted from 0, of packs v0 ... v0 + kGroup - 1.
  /// Packs past the stretch's own repeat its last one; `mute` clears what is above the limit.
  template <class T, class Work>
  static DSP_HD void sweep(const Stretch<T>& at, int v0, std::int64_t first, std::int64_t last, Work work) {
    using V = typename Stretch<T>::V;
    using Real = typename Traits<T>::Real;
    V s1[kGroup], c1[kGroup], s16[kGroup], c16[kGroup], sa[kGroup], ca[kGroup];
    const bool runs = last - first > kRun;
    for (int g = 0; g < kGroup; ++g) {
      const int v = v0 + g < at.packs ? v0 + g : at.packs - 1;
      s1[g] = at.s1[v];
      c1[g] = at.c1[v];
      if (runs) at.times(v, kRun, s16[g], c16[g]);
      if (first == 0) {
        sa[g] = s1[g];
        ca[g] = c1[g];
      } else {
        at.times(v, double(first + 1), sa[g], ca[g]);
      }
    }
    for (std::int64_t k0 = first; k0 < last; k0 += kRun) {
      const std::int64_t end = k0 + kRun < last ? k0 + kRun : last;
      const std::int64_t clear = end < at.full ? end : at.full;
      V s[kGroup], c[kGroup];
      for (int g = 0; g < kGroup; ++g) {
        s[g] = sa[g];
        c[g] = ca[g];
      }
      std::int64_t k = k0;
      for (; k < clear; ++k) {
        work(int(k - first), s, c);
        for (int g = 0; g < kGroup; ++g) turn(s[g], c[g], s1[g], c1[g]);
      }
      for (; k < end; ++k) {
        V heard_s[kGroup], heard_c[kGroup];
        for (int g = 0; g < kGroup; ++g) {
          const auto heard = less(V(Real(k)), at.limit[v0 + g < at.packs ? v0 + g : at.packs - 1]);
          heard_s[g] = select(heard, s[g], V(Real(0)));
          heard_c[g] = select(heard, c[g], V(Real(0)));
        }
        work(int(k - first), heard_s, heard_c);
        for (int g = 0; g < kGroup; ++g) turn(s[g], c[g], s1[g], c1[g]);
      }
      if (runs)
        for (int g = 0; g < kGroup; ++g) turn(sa[g], ca[g], s16[g], c16[g]);
    }
  }

  /// Amplitudes of a block of harmonics at a frame's start, and their way to the next frame's.
  template <class T>
  struct Gains {
    T a[kBlock], slope[kBlock];

    DSP_HD void read(const Port& amplitudes, std::int64_t row, std::int64_t k0, std::int64_t k1, std::int64_t i,
                     std::int64_t j) {
      for (std::int64_t k = k0; k < k1; ++k) {
        const Series<typename Traits<T>::Real, T> series(amplitudes, row, k);
        a[k - k0] = series[i];
        slope[k - k0] = series[j] - a[k - k0];
      }
    }
  };

  /// Arguments amplitudes (b, k, f), f0 (b, f), phase at every frame's start (b, f); result y (b, t).
  struct Forward {
    static constexpr int kPorts = 4;
    Port amplitudes, f0, phase, y;
    Attrs attrs;  // hop, start, t

    std::int64_t rows() const { return frame_items(f0); }
    std::int64_t work() const { return f0.size(0) * amplitudes.size(1) * attrs.value[2] / 4; }

    template <class T>
    DSP_HD void run(std::int64_t item, std::int64_t) const {
      const FrameGrid grid(attrs, f0.size(1));
      each_frame(grid, item, [&](std::int64_t row, std::int64_t i) { frame<T>(grid, row, i); });
    }

    template <class T>
    DSP_HD void frame(const FrameGrid& grid, std::int64_t row, std::int64_t i) const {
      using Wide = typename Traits<T>::Double;
      using S = Stretch<T>;
      using V = typename S::V;
      const std::int64_t harmonics = amplitudes.size(1), j = grid.next(i), end = grid.begin(i + 1);
      const Glide<Wide> f(Series<double, Wide>(f0, row), i, j);
      const Wide p = phase.load<Wide>(row, i);
      const Series<typename Traits<T>::Real, T> out(y, row);
      Gains<T> gains;
      for (std::int64_t t = grid.begin(i); t < end; t += kChunk) {
        const S at(grid, i, t, int(end - t < kChunk ? end - t : kChunk), p, f, harmonics);
        const std::int64_t most = at.most > 0 ? at.most : 1;  // one, muted, writes the silence
        for (std::int64_t k0 = 0; k0 < most; k0 += kBlock) {
          const std::int64_t k1 = k0 + kBlock < at.most ? k0 + kBlock : at.most;
          if (t == grid.begin(i) || harmonics > kBlock)
            gains.read(amplitudes, row, k0, k0 + kBlock < harmonics ? k0 + kBlock : harmonics, i, j);
          for (int v0 = 0; v0 < at.packs; v0 += kGroup) {
            V still[kGroup], moving[kGroup];
            for (int g = 0; g < kGroup; ++g) still[g] = moving[g] = V(0);
            sweep(at, v0, k0, k1, [&](int k, const V* s, const V*) {
              const V a = spread<V>(gains.a[k]), slope = spread<V>(gains.slope[k]);
              for (int g = 0; g < kGroup; ++g) {
                still[g] += a * s[g];
                moving[g] += slope * s[g];
              }
            });
            for (int g = 0; g < kGroup && v0 + g < at.packs; ++g) {
              const V sum = still[g] + at.place[v0 + g] * moving[g];
              for (int l = 0; l < S::kWidth && (v0 + g) * S::kWidth + l < at.n; ++l) {
                const std::int64_t m = t + (v0 + g) * S::kWidth + l;
                if (k0 == 0)
                  out.put(m, lane(sum, l));
                else
                  out.add_out(m, lane(sum, l));
              }
            }
          }
        }
      }
    }
  };

  struct Backward {
    static constexpr int kPorts = 7;
    Port amplitudes, f0, phase, gy, gamplitudes, gf0, gphase;
    Attrs attrs;

    std::int64_t rows() const { return frame_items(f0); }
    std::int64_t work() const { return f0.size(0) * amplitudes.size(1) * attrs.value[2] / 2; }

    template <class T>
    DSP_HD void run(std::int64_t item, std::int64_t) const {
      const FrameGrid grid(attrs, f0.size(1));
      each_frame_back(
          grid, item, [&](std::int64_t row, std::int64_t i) { clear<T>(row, i); },
          [&](std::int64_t row, std::int64_t i, bool own, bool after) { frame<T>(grid, row, i, own, after); });
    }

    template <class T>
    DSP_HD void clear(std::int64_t row, std::int64_t i) const {
      for (std::int64_t k = 0; k < amplitudes.size(1); ++k) gamplitudes.store(T(0), row, k, i);
      clear_frame(row, i, gf0, gphase);
    }

    /// What the samples of frame i owe to its own controls and to those of the frame after.
    template <class T>
    DSP_HD void frame(const FrameGrid& grid, std::int64_t row, std::int64_t i, bool own, bool after) const {
      using Real = typename Traits<T>::Real;
      using Wide = typename Traits<T>::Double;
      using S = Stretch<T>;
      using V = typename S::V;
      const std::int64_t harmonics = amplitudes.size(1), j = grid.next(i), end = grid.begin(i + 1);
      const Glide<Wide> f(Series<double, Wide>(f0, row), i, j);
      const Wide p = phase.load<Wide>(row, i);
      const Series<Real, T> gout(gy, row);
      const bool wanted = gamplitudes.given() || gamplitudes.tangent.data;
      Gains<T> gains;
      V to_a[kBlock], to_slope[kBlock];
      Wide to_p(0);
      Owed<Wide> to_f;
      for (std::int64_t k0 = 0; k0 < harmonics; k0 += kBlock) {
        const std::int64_t k1 = k0 + kBlock < harmonics ? k0 + kBlock : harmonics;
        gains.read(amplitudes, row, k0, k1, i, j);
        for (std::int64_t k = k0; k < k1; ++k) to_a[k - k0] = to_slope[k - k0] = V(0);
        for (std::int64_t t = grid.begin(i); t < end; t += kChunk) {
          const S at(grid, i, t, int(end - t < kChunk ? end - t : kChunk), p, f, harmonics);
          const std::int64_t last = at.most < k1 ? at.most : k1;
          if (last <= k0) continue;
          for (int v0 = 0; v0 < at.packs; v0 += kGroup) {
            V still[kGroup], moving[kGroup], g[kGroup], gplace[kGroup];
            for (int q = 0; q < kGroup; ++q) {
              still[q] = moving[q] = g[q] = gplace[q] = V(0);
              if (v0 + q >= at.packs) continue;
              for (int l = 0; l < S::kWidth && (v0 + q) * S::kWidth + l < at.n; ++l)
                set_lane(g[q], l, gout[t + (v0 + q) * S::kWidth + l]);
              gplace[q] = g[q] * at.place[v0 + q];
            }
            sweep(at, v0, k0, last, [&](int k, const V* s, const V* c) {
              const T number = T(Real(k0 + k + 1));
              const V a = spread<V>(gains.a[k] * number), slope = spread<V>(gains.slope[k] * number);
              V sum = to_a[k], slope_sum = to_slope[k];
              for (int q = 0; q < kGroup; ++q) {
                sum += g[q] * s[q];
                slope_sum += gplace[q] * s[q];
                still[q] += a * c[q];
                moving[q] += slope * c[q];
              }
              to_a[k] = sum;
              to_slope[k] = slope_sum;
            });
            for (int q = 0; q < kGroup && v0 + q < at.packs; ++q) {
              const V turns = g[q] * still[q] + gplace[q] * moving[q];
              for (int l = 0; l < S::kWidth && (v0 + q) * S::kWidth + l < at.n; ++l) {
                const Wide turn = cast<Wide>(lane(turns, l)) * Wide(6.283185307179586);
                const double u = at.u + (v0 + q) * S::kWidth + l;
                to_p += turn;
                to_f.add_turned(turn, u, grid.ramp(u));
              }
            }
          }
        }
        for (std::int64_t k = k0; wanted && k < k1; ++k) {
          const Series<Real, T> ga(gamplitudes, row, k);
          Owed<T>{total(to_a[k - k0]), total(to_slope[k - k0])}.give(ga, i, j, own, after);
        }
      }
      to_f.give(Series<double, Wide>(gf0, row), i, j, own, after);
      if (own) gphase.store(to_p, row, i);
    }
  };
};

const Register<Harmonics> kHarmonics;

}  // namespace
}  // namespace dsp
