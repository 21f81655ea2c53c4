// What a look-ahead limiter needs beside `envelope`: the reduction that the loudest sample of a window
// asks for, and the mean over a window. After G. Luff, "Designing a straightforward limiter", Signalsmith
// Audio, 2022: largest reduction, release, mean, each over the same window, never let a peak through.
#pragma once

#include "dsp/op.hpp"

namespace dsp {
namespace {

/// y[t] = max of r over [t - d, t], r[t] = max(0, 1 - threshold / |x[t]|). In stretches of d + 1 samples, the
/// largest from a sample to the stretch's start and from there on (M. van Herk, 1992): two comparisons a
/// sample whatever the window.
struct Reduction {
  static constexpr const char* kName = "reduction";
  static constexpr int kArguments = 3, kResults = 2, kWorkspaces = 1, kScratches = 2;
  static constexpr bool kLanes = false, kWide = false;

  template <class T>
  static DSP_HD T reduction(const T& x, const T& threshold) {
    const T size = abs_(x);
    const auto over = less(threshold, size);
    return select(over, T(1) - threshold / select(over, size, T(1)), T(0));
  }

  /// Arguments x (b, c, t), threshold (b, c, n) and the reductions before, past (b, c, d), oldest first;
  /// results y and past after; workspace: past and r in one row.
  struct Forward {
    static constexpr int kPorts = 6;
    Port x, threshold, past, y, past_out, line;

    std::int64_t rows() const { return x.size(0) * x.size(1); }
    std::int64_t work() const { return 4 * rows() * x.size(2); }

    template <class T>
    DSP_HD void run(std::int64_t index, std::int64_t) const {
      using Real = typename Traits<T>::Real;
      const std::int64_t b = index / x.size(1), c = index % x.size(1), length = x.size(2), d = past.size(2);
      const Series<Real, T> in(x, b, c), before(past, b, c), out(y, b, c), after(past_out, b, c);
      const Track<Real, T> r(line, b, c);
      const Port row = threshold.from(b, c);
      const bool moving = threshold.size(2) != 1;
      const T fixed = moving ? T(0) : row.load<T>(0, 0, 0);
      for (std::int64_t t = 0; t < d; ++t) r.put(t, before[t]);
      for (std::int64_t t = 0; t < length; ++t)
        r.put(d + t, reduction(in[t], moving ? row.load<T>(0, 0, t) : fixed));
      for (std::int64_t t0 = 0; t0 < length; t0 += d + 1) {
        const std::int64_t n = length - t0 < d + 1 ? length - t0 : d + 1;
        T most(0);
        for (std::int64_t s = d - 1; s >= 0; --s) {
          most = max_(most, r[t0 + s]);
          if (s < n) out.put(t0 + s, most);
        }
        most = T(0);
        for (std::int64_t s = 0; s < n; ++s) {
          most = max_(most, r[d + t0 + s]);
          T known(0);
          if (s < d) known = out[t0 + s];
          out.put(t0 + s, max_(known, most));
        }
      }
      for (std::int64_t t = 0; t < d; ++t) after.put(t, r[length + t]);
    }
  };

  template <class T>
  static DSP_HD bool nothing(const T& x) {
    if constexpr (requires { x.d; })
      return x.v == 0 && x.d[0] == 0;
    else
      return x == 0;
  }

  /// Scratches: how far back the largest lies, and what each reduction owes.
  struct Backward {
    static constexpr int kPorts = 11;
    Port x, threshold, past, line, where, owed, gy, gpast_out, gx, gthreshold, gpast;

    std::int64_t rows() const { return x.size(0) * x.size(1); }
    std::int64_t work() const { return 8 * rows() * x.size(2); }

    template <class T>
    DSP_HD void run(std::int64_t index, std::int64_t) const {
      using Real = typename Traits<T>::Real;
      using Wide = typename Traits<T>::Double;
      const std::int64_t b = index / x.size(1), c = index % x.size(1), length = x.size(2), d = past.size(2);
      const Series<Real, T> in(x, b, c), g(gy, b, c), after(gpast_out, b, c), out(gx, b, c), before(gpast, b, c);
      const Track<Real, T> r(line, b, c), g_owed(owed, b, c);
      const Track<Real, Real> back(where, b, c);
      for (std::int64_t p = 0; p < length; ++p) g_owed.put(p, T(0));
      for (std::int64_t p = 0; p < d; ++p) g_owed.put(length + p, after[p]);
      for (std::int64_t t0 = 0; t0 < length; t0 += d + 1) {
        const std::int64_t n = length - t0 < d + 1 ? length - t0 : d + 1;
        std::int64_t most = t0 + d - 1;
        for (std::int64_t s = d - 1; s >= 0; --s) {
          if (r.value[t0 + s] > r.value[most]) most = t0 + s;
          if (s < n) back.put(t0 + s, Real(t0 + s + d - most));
        }
        most = d + t0;
        std::int64_t largest = most;  // one sample is the largest for many, which it gathers in `sum`
        T sum(0);
        for (std::int64_t s = 0; s < n; ++s) {
          if (r.value[d + t0 + s] > r.value[most]) most = d + t0 + s;
          std::int64_t from = most;
          if (s < d) {
            const std::int64_t known = t0 + s + d - std::int64_t(back[t0 + s]);
            if (r.value[known] >= r.value[most]) from = known;
          }
          if (from != largest) {
            g_owed.add(largest, sum);
            largest = from;
            sum = T(0);
          }
          sum += g[t0 + s];
        }
        g_owed.add(largest, sum);
      }
      const Port row = threshold.from(b, c), grow = gthreshold.from(b, c);
      const bool moving = threshold.size(2) != 1;
      const T fixed = moving ? T(0) : row.load<T>(0, 0, 0);
      Wide total(0);
      for (std::int64_t t = 0; t < length; ++t) {
        if (nothing(g_owed[d + t])) {  // most samples are the largest of no window
          out.put(t, T(0));
          if (moving) grow.store(T(0), 0, 0, t);
          continue;
        }
        const T limit = moving ? row.load<T>(0, 0, t) : fixed, size = abs_(in[t]);
        const auto over = less(limit, size);
        const T inverse = select(over, T(1) / select(over, size, T(1)), T(0));
        const T owes = g_owed[d + t] * inverse, slope = owes * limit * inverse;
        out.put(t, select(less(in[t], T(0)), -slope, slope));
        if (moving)
          grow.store(-owes, 0, 0, t);
        else
          total += cast<Wide>(-owes);
      }
      if (!moving) grow.store(total, 0, 0, 0);
      for (std::int64_t p = 0; p < d; ++p) before.put(p, g_owed[p]);
    }
  };
};

/// y[t] = mean of x over [t - d, t], by a running sum in float64.
struct WindowMean {
  static constexpr const char* kName = "window_mean";
  static constexpr int kArguments = 2, kResults = 2, kWorkspaces = 0, kScratches = 0;
  static constexpr bool kLanes = false, kWide = false;

  /// Arguments x (b, c, t) and the samples before, past (b, c, d), oldest first; results y and past after.
  struct Forward {
    static constexpr int kPorts = 4;
    Port x, past, y, past_out;

    std::int64_t rows() const { return x.size(0) * x.size(1); }
    std::int64_t work() const { return 2 * rows() * x.size(2); }

    template <class T>
    DSP_HD void run(std::int64_t index, std::int64_t) const {
      using Real = typename Traits<T>::Real;
      using Wide = typename Traits<T>::Double;
      const std::int64_t b = index / x.size(1), c = index % x.size(1), length = x.size(2), d = past.size(2);
      const Series<Real, T> in(x, b, c), before(past, b, c), out(y, b, c), after(past_out, b, c);
      const Wide share(1.0 / double(d + 1));
      Wide sum(0);
      for (std::int64_t p = 0; p < d; ++p) sum += cast<Wide>(before[p]);
      for (std::int64_t t = 0; t < length; ++t) {
        sum += cast<Wide>(in[t]);
        out.put(t, cast<T>(sum * share));
        sum -= cast<Wide>(t < d ? before[t] : in[t - d]);
      }
      for (std::int64_t p = 0; p < d; ++p) {
        const std::int64_t t = length + p - d;
        after.put(p, t < 0 ? before[t + d] : in[t]);
      }
    }
  };

  struct Backward {
    static constexpr int kPorts = 6;
    Port x, past, gy, gpast_out, gx, gpast;

    std::int64_t rows() const { return x.size(0) * x.size(1); }
    std::int64_t work() const { return 2 * rows() * x.size(2); }

    template <class T>
    DSP_HD void run(std::int64_t index, std::int64_t) const {
      using Real = typename Traits<T>::Real;
      using Wide = typename Traits<T>::Double;
      const std::int64_t b = index / x.size(1), c = index % x.size(1), length = x.size(2), d = past.size(2);
      const Series<Real, T> g(gy, b, c), after(gpast_out, b, c), out(gx, b, c), before(gpast, b, c);
      const Wide share(1.0 / double(d + 1));
      Wide sum(0);
      for (std::int64_t t = length - 1; t >= -d; --t) {
        if (t >= 0) sum += cast<Wide>(g[t]);
        if (t + d + 1 < length) sum -= cast<Wide>(g[t + d + 1]);
        T owes = cast<T>(sum * share);
        if (t + d >= length) owes += after[t + d - length];
        if (t >= 0)
          out.put(t, owes);
        else
          before.put(t + d, owes);
      }
    }
  };
};

const Register<Reduction> kReduction;
const Register<WindowMean> kWindowMean;

}  // namespace
}  // namespace dsp
