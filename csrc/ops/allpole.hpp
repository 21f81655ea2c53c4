// All-pole filter of any order with coefficients that may move every sample: y[t] = x[t] - sum_i a[i][t]
// y[t-1-i]. The adjoint is such a filter that runs backwards: g[t] = gy[t] - sum_i a[i][t+1+i] g[t+1+i],
// and the coefficients' gradient is -g[t] y[t-1-i] (C.-Y. Yu and G. Fazekas, "Differentiable Time-Varying
// Linear Prediction in the Context of End-to-End Analysis-by-Synthesis", Interspeech 2024). Nothing is
// transposed: the lags that lie far enough back are summed with time on the vector registers, the others
// sample by sample. Up to order two a long row has all its time on the lanes, up to order 32 on CUDA's threads.
#pragma once

#include "dsp/op.hpp"
#include "ops/shared/allpole_step.hpp"
#include "ops/shared/time_lanes.hpp"

namespace dsp {
namespace {

struct Allpole {
  static constexpr const char* kName = "allpole";
  static constexpr int kArguments = 3, kResults = 2, kWorkspaces = 1, kScratches = 0;
  static constexpr bool kLanes = false, kWide = false;
  static constexpr int kMaxOrder = 128;  // the Python op refuses more
#ifdef __CUDACC__
  static constexpr int kStretch = kChunk;
#else
  static constexpr int kStretch = 4 * kChunk;  // shorter ones leave memory idle: a coefficient is a stream of its own
#endif
  static constexpr int kBlock = 8;  // samples summed at once; lags of fewer samples are taken one by one
#ifdef __CUDACC__
  static constexpr int kSide = 1;
#else
  static constexpr int kSide = 4;  // rows side by side where the order is low
#endif
  static constexpr int kLow = 2;
  static constexpr std::int64_t kLarge = 1 << 20;  // numbers that no cache holds

  /// Samples in a block whose time lies on the lanes; 0 where none does: four rows side by side are quicker
  /// than the two or three times as much work on anything but the widest lanes.
  template <int R, class T>
  static DSP_HD std::int64_t block([[maybe_unused]] std::int64_t order) {
#ifndef __CUDACC__
    if constexpr (std::is_arithmetic_v<T> && (R == 1 || kLaneBytes == 64)) return order > kLow || order == 0 ? 0 : TimeLanes<1, 1, T>::N;
#endif
    return 0;
  }
  /// One of them, as TimeLanes runs it.
  template <int kWay, class T, class... Arguments>
  static DSP_HD void solve_block([[maybe_unused]] int order, [[maybe_unused]] Arguments... arguments) {
#ifndef __CUDACC__
    if (order == 1) TimeLanes<kWay, 1, T>::run(arguments...);
    if (order == 2) TimeLanes<kWay, 2, T>::run(arguments...);
#endif
  }
#ifdef __CUDACC__
  static constexpr int kMostBlock = 1;
#else
  static constexpr int kMostBlock = TimeLanes<1, 1, float>::N;
#endif

  static DSP_HD std::int64_t groups(std::int64_t rows, std::int64_t order) {
    return order > kLow ? rows : (rows + kSide - 1) / kSide;
  }

  /// Coefficients of R rows in a stretch.
  template <int R>
  static constexpr DSP_HD int taps() {
    return (R > 1 ? kLow : kMaxOrder) * kStretch;
  }

  /// y[s] = y[s] - sum_i c[i][s] y[s + (1 + i) kWay] for s in [0, n), in the order in which they get known:
  /// kWay is -1 for the filter, 1 for its adjoint. The P nearest are remembered, the others lie in y.
  template <int kWay, int P, int R, class T>
  static DSP_HD void solve(int order, int n, const T (*c)[taps<R>()], T* const* y) {
    T near[R][P];
    for (int r = 0; r < R; ++r)
      for (int i = 0; i < P; ++i) near[r][i] = y[r][kWay < 0 ? -1 - i : n + i];
    for (int b = 0; b < n; b += kBlock) {
      const int size = n - b < kBlock ? n - b : kBlock, first = kWay < 0 ? b : n - b - size;
      if constexpr (P == kBlock - 1)
        for (int r = 0; r < R; ++r) far<kWay>(c[r] + first, y[r] + first, P, order, size);
      for (int m = 0; m < size; ++m) {
        const int s = kWay < 0 ? first + m : first + size - 1 - m;
        for (int r = 0; r < R; ++r) {
          T sum = y[r][s];
          for (int i = P - 1; i >= 0; --i) sum -= c[r][i * kStretch + s] * near[r][i];
          for (int i = P - 1; i > 0; --i) near[r][i] = near[r][i - 1];
          near[r][0] = y[r][s] = sum;
        }
      }
    }
  }
  /// The lags from `near` on, which reach past the block.
  template <int kWay, class T>
  static DSP_HD void far(const T* c, T* y, int near, int order, int size) {
#ifndef __CUDACC__
    if constexpr (std::is_arithmetic_v<T>) {
      if (size == kBlock) {
        using Many = Pack<T, kBlock>;
        Many sum = Many::at(y), other(0);  // two sums: each waits for itself
        int i = order - 1;
        for (; i > near; i -= 2) {
          sum -= Many::at(c + i * kStretch) * Many::at(y + (1 + i) * kWay);
          other -= Many::at(c + (i - 1) * kStretch) * Many::at(y + i * kWay);
        }
        if (i == near) sum -= Many::at(c + i * kStretch) * Many::at(y + (1 + i) * kWay);
        (sum + other).to(y);
        return;
      }
    }
#endif
    for (int i = order - 1; i >= near; --i)
      for (int s = 0; s < size; ++s) y[s] -= c[i * kStretch + s] * y[s + (1 + i) * kWay];
  }
  template <int kWay, int R, class T>
  static DSP_HD void solve_any(int order, int n, const T (*c)[taps<R>()], T* const* y) {
    switch (order) {
      case 1: return solve<kWay, 1, R>(order, n, c, y);
      case 2: return solve<kWay, 2, R>(order, n, c, y);
    }
    if constexpr (R == 1) {
      switch (order) {
        case 3: return solve<kWay, 3, R>(order, n, c, y);
        case 4: return solve<kWay, 4, R>(order, n, c, y);
        case 5: return solve<kWay, 5, R>(order, n, c, y);
        case 6: return solve<kWay, 6, R>(order, n, c, y);
        default: return solve<kWay, kBlock - 1, R>(order, n, c, y);
      }
    }
  }

  /// The rows of a body's run number `group`: side by side where there are enough, else one by one.
  template <class T, class Body>
  static DSP_HD void run_group(const Body& body, std::int64_t group) {
    const std::int64_t side = body.a.size(2) > kLow ? 1 : kSide, count = body.x.size(0) * body.x.size(1);
    const std::int64_t first = group * side, stop = first + side < count ? first + side : count;
    if (kSide > 1 && stop - first == kSide)
      body.template side_by_side<kSide, T>(first, Whole{body.x.size(2)});
    else
      for (std::int64_t row = first; row < stop; ++row) body.template side_by_side<1, T>(row, Whole{body.x.size(2)});
  }

  /// A row of (b, c, ...) by its number.
  struct Row {
    std::int64_t item, channel;
    DSP_HD Row(std::int64_t row, std::int64_t channels) : item(row / channels), channel(row % channels) {}
  };

  /// Elements [t0, t0 + n) of a row, and those from `next` on ahead, as far as they lie before `stop`.
  template <class Row, class T>
  static DSP_HD void load_ahead(const Row& row, std::int64_t t0, int n, std::int64_t next, std::int64_t stop, T* to) {
    row.copy(t0, n, to);
    if (next >= 0 && next < stop) row.prefetch(next, stop - next < kStretch ? stop - next : kStretch);
  }

  /// Arguments x, a, state; results y, state after; workspace: state (oldest first) and y in one row.
  struct Forward : AllpoleScan<Forward, false> {
    static constexpr int kPorts = 6;
    Port x, a, state, y, state_out, past;

    std::int64_t rows() const { return groups(x.size(0) * x.size(1), a.size(2)); }
    std::int64_t work() const { return x.size(0) * x.size(1) * x.size(2) * (1 + a.size(2)); }

    template <class T>
    DSP_HD void run(std::int64_t group, std::int64_t) const {
      run_group<T>(*this, group);
    }

    template <int R, class T, class Part>
    DSP_HD void side_by_side(std::int64_t first, const Part& part) const {
      using Real = typename Traits<T>::Real;
      const int order = int(a.size(2));
      const std::int64_t length = part.end;
      const bool moving = a.size(3) != 1, keeping = past.given() || past.tangent.data;
      T c[R][taps<R>()], h[R][kMaxOrder + kStretch];
      T* at[R];
      for (int r = 0; r < R; ++r) {
        const Row row(first + r, x.size(1));
        at[r] = h[r] + order;
        for (int i = 0; i < order; ++i)
          h[r][order - 1 - i] = part.first ? state.template load<T>(row.item, row.channel, i) : part.template state<T>(0, i);
        if (keeping && part.first) {
          const Series<Real, T> to(past, row.item, row.channel);
          for (int i = 0; i < order; ++i) to.put(i, h[r][i]);
        }
        for (int i = 0; i < order && !moving; ++i) {
          const T constant = a.template load<T>(row.item, row.channel, i, 0);
          for (int s = 0; s < kStretch; ++s) c[r][i * kStretch + s] = constant;
        }
      }
      const std::int64_t size = block<R, T>(order), done = part.begin + (size ? length / size * size : 0);
      for (int r = 0; r < R && size && done; ++r) run_blocks(Row(first + r, x.size(1)), order, done, size, h[r]);
      for (std::int64_t t0 = done; t0 < length; t0 += kStretch) {
        const int n = int(length - t0 < kStretch ? length - t0 : kStretch);
        for (int r = 0; r < R; ++r) {
          const Row row(first + r, x.size(1));
          for (int i = 0; i < order && moving; ++i)
            load_ahead(Series<Real, T>(a, row.item, row.channel, i), t0, n, t0 + n, length, c[r] + i * kStretch);
          Series<Real, T>(x, row.item, row.channel).copy(t0, n, at[r]);
        }
        solve_any<-1, R>(order, n, c, at);
        for (int r = 0; r < R; ++r) {
          const Row row(first + r, x.size(1));
          Series<Real, T>(y, row.item, row.channel).put_all(t0, n, at[r]);
          if (keeping) Series<Real, T>(past, row.item, row.channel).put_all(order + t0, n, at[r]);
          for (int i = 0; i < order; ++i) h[r][i] = h[r][i + n];
        }
      }
      for (int r = 0; r < R; ++r) {
        const Row row(first + r, x.size(1));
        for (int i = 0; part.last && i < order; ++i) state_out.store(h[r][order - 1 - i], row.item, row.channel, i);
      }
    }

    /// Samples [0, done) of a row by blocks; `h` holds the outputs before, the oldest first, and then after.
    template <class T>
    DSP_HD void run_blocks(const Row& row, int order, std::int64_t done, std::int64_t size, T* h) const {
      using Real = typename Traits<T>::Real;
      const Series<Real, T> in(x, row.item, row.channel), out(y, row.item, row.channel), to(past, row.item, row.channel);
      const std::int64_t step = a.size(3) == 1 ? 0 : a.value.stride[3];
      const bool keeping = past.given();
      T made[kMostBlock], known[kLow];
      for (int i = 0; i < order; ++i) known[i] = h[order - 1 - i];
      for (std::int64_t t0 = 0; t0 < done; t0 += size) {
        const Real* c[kLow];
        for (int i = 0; i < order; ++i) {
          const Series<Real, T> coefficient(a, row.item, row.channel, i);
          c[i] = coefficient.value + t0 * step;
          if (t0 + 2 * size <= done && step) coefficient.prefetch(t0 + size, size);
        }
        if (t0 + 2 * size <= done) in.prefetch(t0 + size, size);
        if constexpr (std::is_arithmetic_v<T>)
          solve_block<-1, T>(order, in.value + t0 * in.value_step, in.value_step, c, step, made, known);
        out.put_all(t0, int(size), made);
        if (keeping) to.put_all(order + t0, int(size), made);
      }
      for (int i = 0; i < order; ++i) h[order - 1 - i] = known[i];
    }
  };

  struct Backward : AllpoleScan<Backward, true> {
    static constexpr int kPorts = 9;
    Port x, a, state, past, gy, gstate_out, gx, ga, gstate;

    std::int64_t rows() const { return groups(x.size(0) * x.size(1), a.size(2)); }
    std::int64_t work() const { return 2 * x.size(0) * x.size(1) * x.size(2) * (1 + a.size(2)); }

    template <class T>
    DSP_HD void run(std::int64_t group, std::int64_t) const {
      run_group<T>(*this, group);
    }

    template <int R, class T, class Part>
    DSP_HD void side_by_side(std::int64_t first, const Part& part) const {
      using Real = typename Traits<T>::Real;
      using Wide = typename Traits<T>::Double;
      const int order = int(a.size(2));
      const std::int64_t length = part.end;
      const bool moving = a.size(3) != 1, wanted = ga.given() || ga.tangent.data;
      T c[R][taps<R>()], g[R][kStretch + kMaxOrder];
      Wide total[R][kMaxOrder];
      T* at[R];
      for (int r = 0; r < R; ++r) {
        const Row row(first + r, x.size(1));
        at[r] = g[r];
        for (int i = 0; i < order; ++i) {
          g[r][i] = T(0);  // nothing comes after the end
          total[r][i] = Wide(0);
          if (moving) continue;
          const T constant = a.template load<T>(row.item, row.channel, i, 0);
          for (int s = 0; s < kStretch; ++s) c[r][i * kStretch + s] = constant;
        }
      }
      // A block asks for the coefficients of the samples after it.
      const std::int64_t size = block<R, T>(order), blocks = size && length > order ? (length - order) / size : 0;
      const std::int64_t done = part.begin + blocks * size;
      const std::int64_t last = length > done ? done + (length - 1 - done) / kStretch * kStretch : -1;
      for (std::int64_t t0 = last; t0 >= done; t0 -= kStretch) {
        const int n = int(length - t0 < kStretch ? length - t0 : kStretch);
        for (int r = 0; r < R; ++r) {
          const Row row(first + r, x.size(1));
          for (int i = order - 1; i >= 0; --i) g[r][n + i] = g[r][i];
          load_skewed(row, t0, n, order, moving, length, c[r]);
          Series<Real, T>(gy, row.item, row.channel).copy(t0, n, g[r]);
          // The state after the end, or after the part, holds the last outputs.
          for (int i = 0; i < order; ++i) {
            const std::int64_t s = length - 1 - i - t0;
            if (s >= 0 && s < n)
              g[r][s] += part.last ? gstate_out.template load<T>(row.item, row.channel, i) : part.template state<T>(0, i);
          }
        }
        solve_any<1, R>(order, n, c, at);
        for (int r = 0; r < R; ++r) {
          const Row row(first + r, x.size(1));
          Series<Real, T>(gx, row.item, row.channel).put_all(t0, n, g[r]);
          if (wanted) coefficients_gradient(row, t0, n, order, moving, g[r], total[r]);
        }
      }
      for (int r = 0; r < R; ++r) {
        const Row row(first + r, x.size(1));
        if (blocks) run_blocks(row, order, done, size, g[r], total[r]);
        for (int i = 0; !part.whole && i < order; ++i) part.add_up(0, i, total[r][i]);
        for (int j = 0; part.first && j < order; ++j) {
          T sum(0);
          for (int i = j; i < order && i - j < length; ++i)
            sum -= a.template load<T>(row.item, row.channel, i, moving ? i - j : 0) * g[r][i - j];
          if (j + length < order) sum += gstate_out.template load<T>(row.item, row.channel, int(j + length));
          gstate.store(sum, row.item, row.channel, j);
          if (part.whole && wanted && !moving) ga.store(total[r][j], row.item, row.channel, j, 0);
        }
      }
      Series<Real, T>::finish_streams();
    }

    /// Samples [0, done) of a row by blocks; `g` begins with the adjoints of the samples after, and then with
    /// those of the first.
    template <class T, class Wide>
    DSP_HD void run_blocks(const Row& row, int order, std::int64_t done, std::int64_t size, T* g, Wide* total) const {
      using Real = typename Traits<T>::Real;
      const Series<Real, T> from(gy, row.item, row.channel), out(gx, row.item, row.channel);
      const bool moving = a.size(3) != 1, wanted = ga.given();
      const std::int64_t step = moving ? a.value.stride[3] : 0;
      T made[kMostBlock];
      for (std::int64_t t0 = done - size; t0 >= 0; t0 -= size) {
        const Real* c[kLow];
        for (int i = 0; i < order; ++i) {
          const Series<Real, T> coefficient(a, row.item, row.channel, i);
          c[i] = coefficient.value + (t0 + 1 + i) * step;
          if (t0 >= size && step) coefficient.prefetch(t0 - size, size);
        }
        if (t0 >= size) from.prefetch(t0 - size, size);
        if constexpr (std::is_arithmetic_v<T>)
          solve_block<1, T>(order, from.value + t0 * from.value_step, from.value_step, c, step, made, g);
        out.put_all(t0, int(size), made);
        // On narrow registers a block is shorter than a stretch.
        const int part = int(size < kStretch ? size : kStretch);
        for (int s = 0; s < size && wanted; s += part)
          coefficients_gradient(row, t0 + s, part, order, moving, made + s, total);
      }
    }

    /// c[i][s] = a[i][t0 + s + 1 + i], nothing after the end.
    template <class T>
    DSP_HD void load_skewed(const Row& row, std::int64_t t0, int n, int order, bool moving, std::int64_t end, T* c) const {
      using Real = typename Traits<T>::Real;
      if (!moving) return;
      for (int i = 0; i < order; ++i) {
        const std::int64_t from = t0 + 1 + i, left = end - from;
        const int some = int(left < 0 ? 0 : left < n ? left : n);
        if (some > 0) load_ahead(Series<Real, T>(a, row.item, row.channel, i), from, some, from - kStretch, from, c + i * kStretch);
        for (int s = some; s < n; ++s) c[i * kStretch + s] = T(0);
      }
    }

    /// -g[t] y[t-1-i], per sample or summed.
    template <class T, class Wide>
    DSP_HD void coefficients_gradient(const Row& row, std::int64_t t0, int n, int order, bool moving, const T* g,
                                      Wide* total) const {
      using Real = typename Traits<T>::Real;
      T h[kMaxOrder + kStretch];
      const bool large = x.size(0) * x.size(1) * x.size(2) * order >= kLarge;
      Series<Real, T>(past, row.item, row.channel).copy(t0, n + order, h);
      for (int i = 0; i < order; ++i) {
        const T* before = h + order - 1 - i;
        if (moving) {
          T owed[kStretch];
          for (int s = 0; s < n; ++s) owed[s] = -(g[s] * before[s]);
          const Series<Real, T> to(ga, row.item, row.channel, i);
          if (large)
            to.stream_all(t0, n, owed);
          else
            to.put_all(t0, n, owed);
          continue;
        }
        T part[kBlock];
        for (int m = 0; m < kBlock; ++m) part[m] = T(0);
        int s = 0;
        for (; s + kBlock <= n; s += kBlock)
          for (int m = 0; m < kBlock; ++m) part[m] -= g[s + m] * before[s + m];
        for (; s < n; ++s) part[0] -= g[s] * before[s];
        for (int m = 0; m < kBlock; ++m) total[i] += cast<Wide>(part[m]);
      }
    }
  };
};

const Register<Allpole> kAllpole;

}  // namespace
}  // namespace dsp
