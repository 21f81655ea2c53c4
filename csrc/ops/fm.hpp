// Sine operators that modulate each other's phase: s_k[t] = sin(2 pi p_k[t] + sum_j I_kj s_j), y[t] = sum_k
// a_k s_k[t], p_k[t+1] = p_k[t] + f_k[t]. Operators go in their order: what k gets from one before it (j < k)
// is of the same sample, what it gets from itself and from those after it is of the sample before. So every
// matrix is an instrument, and every algorithm a matrix (J. Chowning, "The Synthesis of Complex Audio
// Spectra by Means of Frequency Modulation", JAES 21(7), 1973; feedback: N. Tomisawa, US patent 4249447,
// 1981). Controls come per frame, linear in between, phases in float64 in closed form inside a frame. The
// forward pass keeps the sines at every chunk's start; the backward pass takes the others again.
#pragma once

#include "ops/shared/circle.hpp"
#include "ops/shared/frames.hpp"

namespace dsp {
namespace {

struct Fm {
  static constexpr const char* kName = "fm";
  static constexpr int kArguments = 5, kResults = 2, kWorkspaces = 1, kScratches = 0;
  static constexpr bool kLanes = false, kWide = false;
  static constexpr int kMax = 16;  // operators; the Python op refuses more
  static constexpr double kTurn = 6.283185307179586;

  /// Sines of a chunk: s[k][1 + m] at its sample m, s[k][0] at the one before; packs may write past the end.
#ifdef __CUDACC__
  static constexpr int kRow = kChunk + 1;
#else
  static constexpr int kRow = kChunk + 1 + kLaneBytes / int(sizeof(double));
#endif
  template <class Wide>
  using Rows = Wide[kMax][kRow];

  /// The operators of one row, as they are in frame `i`.
  template <class T>
  struct Bank {
    using Wide = typename Traits<T>::Double;

    const Port &matrix, &frequencies, &phase;
    FrameGrid grid;
    std::int64_t row, i = -1, j = -1;
    int operators;
    bool moving, ordered;  ///< does the matrix move; is nothing sent back but to the operator itself
    Wide p[kMax];
    Glide<Wide> f[kMax], index[kMax][kMax];
    bool on[kMax][kMax];  ///< the connections that there are

    DSP_HD Bank(const Port& m, const Port& frequency, const Port& start, const Attrs& attrs, std::int64_t r)
        : matrix(m), frequencies(frequency), phase(start), grid(attrs, frequency.size(2)), row(r),
          operators(int(frequency.size(1))), moving(m.size(3) != 1), ordered(true) {
      if (!moving) connect(0, 0);
    }

    static DSP_HD bool nothing(double x) { return x == 0; }
    static DSP_HD bool nothing(const Dual<double, 1>& x) { return x.v == 0 && x.d[0] == 0; }
    DSP_HD void connect(std::int64_t from, std::int64_t to) {
      ordered = true;
      for (int k = 0; k < operators; ++k)
        for (int l = 0; l < operators; ++l) {
          index[k][l] = Glide<Wide>(Series<double, Wide>(matrix, row, k, l), from, to);
          on[k][l] = !(nothing(index[k][l].value) && nothing(index[k][l].rise));
          if (l > k && on[k][l]) ordered = false;
        }
    }
    DSP_HD void enter(std::int64_t frame) {
      if (frame == i) return;
      i = frame;
      j = grid.next(i);
      for (int k = 0; k < operators; ++k) {
        f[k] = Glide<Wide>(Series<double, Wide>(frequencies, row, k), i, j);
        p[k] = phase.load<Wide>(row, k, i);
      }
      if (moving) connect(i, j);
    }
    /// The end of the stretch from t that stays within its frame and before `end`.
    DSP_HD std::int64_t stretch(std::int64_t t, std::int64_t end) const {
      const std::int64_t edge = grid.begin(grid.frame(t) + 1);
      return edge < end ? edge : end;
    }
    /// How far operator k has turned u samples into the frame, in radians.
    DSP_HD Wide angle(int k, double u) const {
      return Wide(kTurn) * wrap(p[k] + f[k].turned(u, grid.ramp(u)));
    }

    /// Sines, and cosines where asked for, of samples [t, t + n) of the frame, which are [o, o + n) of the chunk.
    DSP_HD void run(std::int64_t t, int n, int o, Rows<Wide>& s, Rows<Wide>* c) const {
      const double first = grid.place(i, t);
#ifndef __CUDACC__
      if constexpr (std::is_same_v<Wide, double>) {
        if (ordered) return abreast(first, n, o, s, c);
      }
#endif
      for (int m = 0; m < n; ++m) {
        const double u = first + m, part = u / double(grid.hop);
        for (int k = 0; k < operators; ++k) {
          Wide a = angle(k, u), cosine;
          for (int l = 0; l < operators; ++l)
            if (on[k][l]) a += index[k][l].at(part) * s[l][o + m + (l < k)];
          sines(a, s[k][o + m + 1], cosine);
          if (c) (*c)[k][o + m + 1] = cosine;
        }
      }
    }

#ifndef __CUDACC__
    /// The same where nothing is sent back but to the operator itself: one operator after the other, with
    /// samples side by side.
    void abreast(double first, int n, int o, Rows<Wide>& s, Rows<Wide>* c) const {
      using Lanes = Pack<double, kLaneBytes / int(sizeof(double))>;
      double a[kRow] = {}, part[kChunk];
      for (int m = 0; m < n; ++m) part[m] = (first + m) / double(grid.hop);
      for (int k = 0; k < operators; ++k) {
        for (int m = 0; m < n; ++m) a[m] = angle(k, first + m);
        for (int l = 0; l < k; ++l) {
          if (!on[k][l]) continue;
          const Glide<double> depth = index[k][l];
          for (int m = 0; m < n; ++m) a[m] += depth.at(part[m]) * s[l][o + m + 1];
        }
        if (on[k][k]) {
          for (int m = 0; m < n; ++m) {
            double cosine;
            sines(a[m] + index[k][k].at(part[m]) * s[k][o + m], s[k][o + m + 1], cosine);
            if (c) (*c)[k][o + m + 1] = cosine;
          }
          continue;
        }
        for (int m = 0; m < n; m += Traits<Lanes>::kLanes) {
          Lanes sine, cosine;
          sines(Lanes::at(a + m), sine, cosine);
          sine.to(s[k] + o + m + 1);
          if (c) cosine.to((*c)[k] + o + m + 1);
        }
      }
    }
#endif
  };

  /// Arguments amplitudes (b, k, f), index (b, k, k, n), frequencies and phase at every frame's start (b, k,
  /// f), sines before the first sample (b, k); results y (b, t) and the sines after; workspace those at every
  /// chunk's start (b, k, chunks).
  struct Forward {
    static constexpr int kPorts = 8;
    Port amplitudes, index, frequencies, phase, past, y, past_out, kept;
    Attrs attrs;  // hop, start, t

    std::int64_t rows() const { return frequencies.size(0); }
    std::int64_t work() const { return rows() * attrs.value[2] * frequencies.size(1) * (8 + frequencies.size(1)); }

    template <class T>
    DSP_HD void run(std::int64_t row, std::int64_t) const {
      using Real = typename Traits<T>::Real;
      using Wide = typename Traits<T>::Double;
      Bank<T> bank(index, frequencies, phase, attrs, row);
      const std::int64_t length = bank.grid.length;
      const Series<Real, T> out(y, row);
      Wide s[kMax][kRow];
      for (int k = 0; k < bank.operators; ++k) s[k][0] = past.load<Wide>(row, k);
      for (std::int64_t t0 = 0; t0 < length; t0 += kChunk) {
        const std::int64_t end = t0 + kChunk < length ? t0 + kChunk : length;
        for (int k = 0; k < bank.operators; ++k) kept.store(s[k][0], row, k, t0 / kChunk);
        for (std::int64_t t = t0, next; t < end; t = next) {
          next = bank.stretch(t, end);
          const int n = int(next - t), o = int(t - t0);
          bank.enter(bank.grid.frame(t));
          bank.run(t, n, o, s, nullptr);
          const double first = bank.grid.place(bank.i, t);
          Wide sum[kChunk];
          for (int m = 0; m < n; ++m) sum[m] = Wide(0);
          for (int k = 0; k < bank.operators; ++k) {
            const Glide<Wide> a(Series<Real, T>(amplitudes, row, k), bank.i, bank.j);
            for (int m = 0; m < n; ++m) sum[m] += a.at((first + m) / double(bank.grid.hop)) * s[k][o + m + 1];
          }
          for (int m = 0; m < n; ++m) out.put(t + m, cast<T>(sum[m]));
        }
        for (int k = 0; k < bank.operators; ++k) s[k][0] = s[k][end - t0];
      }
      for (int k = 0; k < bank.operators; ++k) past_out.store(s[k][0], row, k);
    }
  };

  struct Backward {
    static constexpr int kPorts = 13;
    Port amplitudes, index, frequencies, phase, past, kept, gy, gpast_out, gamplitudes, gindex, gfrequencies, gphase,
        gpast;
    Attrs attrs;

    std::int64_t rows() const { return frequencies.size(0); }
    std::int64_t work() const { return 3 * rows() * attrs.value[2] * frequencies.size(1) * (8 + frequencies.size(1)); }

    /// What the operators owe: the sines of the sample at hand, the connections and the frames' controls.
    template <class T>
    struct Debts {
      using Wide = typename Traits<T>::Double;
      Wide sine[kMax];
      Owed<Wide> index[kMax][kMax], f[kMax], a[kMax], p[kMax];
    };

    template <class T>
    DSP_HD void run(std::int64_t row, std::int64_t) const {
      using Wide = typename Traits<T>::Double;
      Bank<T> bank(index, frequencies, phase, attrs, row);
      const int operators = bank.operators;
      const std::int64_t length = bank.grid.length;
      clear(row, bank.grid.frames, bank.moving);
      Debts<T> owed;
      for (int k = 0; k < operators; ++k) owed.sine[k] = gpast_out.load<Wide>(row, k);
      Wide s[kMax][kRow], c[kMax][kRow];
      const std::int64_t last = length > 0 ? (length - 1) / kChunk * kChunk : -1;
      for (std::int64_t t0 = last; t0 >= 0; t0 -= kChunk) {
        const std::int64_t end = t0 + kChunk < length ? t0 + kChunk : length;
        for (int k = 0; k < operators; ++k) s[k][0] = kept.load<Wide>(row, k, t0 / kChunk);
        int starts[kChunk + 1], count = 0;
        for (std::int64_t t = t0, next; t < end; t = next) {
          next = bank.stretch(t, end);
          bank.enter(bank.grid.frame(t));
          bank.run(t, int(next - t), int(t - t0), s, &c);
          starts[count++] = int(t - t0);
        }
        starts[count] = int(end - t0);
        for (int b = count - 1; b >= 0; --b) {
          bank.enter(bank.grid.frame(t0 + starts[b]));
          back(bank, t0, starts[b], starts[b + 1], s, c, owed);
          give(bank, owed);
        }
      }
      for (int k = 0; k < operators; ++k) {
        gpast.store(owed.sine[k], row, k);
        for (int l = 0; l < operators && !bank.moving; ++l) gindex.store(owed.index[k][l].value, row, k, l, 0);
      }
    }

    DSP_HD void clear(std::int64_t row, std::int64_t frames, bool moving) const {
      const int operators = int(frequencies.size(1));
      const Dual<double, 1> zero(0.0);
      for (int k = 0; k < operators; ++k)
        for (std::int64_t i = 0; i < frames; ++i) {
          gamplitudes.store(zero, row, k, i);
          gfrequencies.store(zero, row, k, i);
          gphase.store(zero, row, k, i);
          for (int l = 0; l < operators && moving; ++l) gindex.store(zero, row, k, l, i);
        }
    }

    /// Samples [from, to) of the chunk at t0, in one frame, the last ones first.
    template <class T, class Wide>
    DSP_HD void back(const Bank<T>& bank, std::int64_t t0, int from, int to, const Rows<Wide>& s, const Rows<Wide>& c,
                     Debts<T>& owed) const {
      using Real = typename Traits<T>::Real;
      const int operators = bank.operators;
      const Series<Real, T> gout(gy, bank.row);
      const bool learns = gindex.given() || gindex.tangent.data;
      Glide<Wide> a[kMax];
      for (int k = 0; k < operators; ++k) a[k] = Glide<Wide>(Series<Real, T>(amplitudes, bank.row, k), bank.i, bank.j);
      for (int m = to - 1; m >= from; --m) {
        const double u = bank.grid.place(bank.i, t0 + m), part = u / double(bank.grid.hop), ramp = bank.grid.ramp(u);
        const Wide g = cast<Wide>(gout[t0 + m]);
        Wide now[kMax], before[kMax];
        for (int k = 0; k < operators; ++k) {
          now[k] = owed.sine[k] + g * a[k].at(part);
          before[k] = Wide(0);
          owed.a[k].add(g * s[k][m + 1], part);
        }
        for (int k = operators - 1; k >= 0; --k) {
          const Wide q = now[k] * c[k][m + 1], turned = Wide(kTurn) * q;
          owed.p[k].value += turned;
          owed.f[k].add_turned(turned, u, ramp);
          for (int l = 0; l < operators; ++l) {
            if (learns) owed.index[k][l].add(q * s[l][m + (l < k)], part);
            if (bank.on[k][l]) (l < k ? now : before)[l] += bank.index[k][l].at(part) * q;
          }
        }
        for (int k = 0; k < operators; ++k) owed.sine[k] = before[k];
      }
    }

    /// What the samples of a stretch owe to the controls of its frame goes there.
    template <class T>
    DSP_HD void give(const Bank<T>& bank, Debts<T>& owed) const {
      using Real = typename Traits<T>::Real;
      using Wide = typename Traits<T>::Double;
      const std::int64_t row = bank.row, i = bank.i, j = bank.j;
      for (int k = 0; k < bank.operators; ++k) {
        owed.a[k].give(Series<Real, T>(gamplitudes, row, k), i, j);
        owed.f[k].give(Series<double, Wide>(gfrequencies, row, k), i, j);
        owed.p[k].give(Series<double, Wide>(gphase, row, k), i, j);
        owed.a[k] = owed.f[k] = owed.p[k] = Owed<Wide>();
        for (int l = 0; l < bank.operators && bank.moving; ++l) {
          owed.index[k][l].give(Series<double, Wide>(gindex, row, k, l), i, j);
          owed.index[k][l] = Owed<Wide>();
        }
      }
    }
  };
};

const Register<Fm> kFm;

}  // namespace
}  // namespace dsp
