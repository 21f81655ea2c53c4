// Curves that bend a signal, and their averages over a straight way from a to b: the mean of f, the mean
// weighted with the part t of the way gone, and the same of the slope f'. Quotients of antiderivatives lose
// their digits where a and b nearly meet, so none is ever taken there: over a short way a smooth curve is a
// polynomial to eight-point Gauss-Legendre quadrature, and a curve made of polynomials is cut at its edges.
#pragma once

#include "dsp/op.hpp"

namespace dsp {
namespace {

/// Does a comparison hold on any lane?
template <class Mask>
DSP_HD bool any(const Mask& mask) {
  if constexpr (std::is_same_v<Mask, bool>) {
    return mask;
  } else {
    for (int i = 0; i < int(sizeof(mask) / sizeof(mask[0])); ++i)
      if (mask[i]) return true;
    return false;
  }
}

/// Calls add(place, weight) at the nodes of Gauss and Legendre between 0 and 1, `kNodes` of them.
template <int kNodes, class Add>
DSP_HD void quadrature(Add add) {
  static_assert(kNodes == 3 || kNodes == 8);
  if constexpr (kNodes == 3) {
    add(0.11270166537925831, 5.0 / 18);
    add(0.5, 4.0 / 9);
    add(0.88729833462074169, 5.0 / 18);
  } else {
    constexpr double kPlace[] = {0.019855071751231884, 0.10166676129318663, 0.23723379504183551, 0.4082826787521751};
    constexpr double kWeight[] = {0.05061426814518813, 0.11119051722668724, 0.15685332293894364, 0.18134189168918099};
    for (int i = 0; i < 4; ++i) {
      add(kPlace[i], kWeight[i]);
      add(1 - kPlace[i], kWeight[i]);
    }
  }
}

/// mean[i] of t^i f, i below kOrder, on the way from a to b. The slopes of a mean in a and b are those
/// averages of f' that `slopes` gives, so no quotient is ever derived.
template <class Curve, int kOrder, class T>
DSP_HD void means(const T& a, const T& b, T* mean) {
  if constexpr (requires { a.d; }) {
    decltype(T::v) value[kOrder], slope[kOrder + 1];
    means<Curve, kOrder>(a.v, b.v, value);
    Curve::template slopes<kOrder>(a.v, b.v, slope);
    for (int i = 0; i < kOrder; ++i) {
      mean[i] = T(value[i]);
      mean[i].d[0] = (slope[i] - slope[i + 1]) * a.d[0] + slope[i + 1] * b.d[0];
    }
  } else {
    Curve::template means_of_numbers<kOrder>(a, b, mean);
  }
}

/// An analytic curve from -1 to 1, odd. For x >= 0, `excess` is an antiderivative of f(x) - 1, and
/// `excess_twice` one of that, 0 at 0: both stay small far out, where those of f grow.
template <class Curve>
struct Smooth {
  /// A way is short below this, where quadrature with `kNodes` is good to 1e-13, that of slopes to 1e-11.
  template <int kOrder>
  static constexpr double kShort = kOrder == 1 ? Curve::kNear / 16 : Curve::kNear;
  template <int kOrder>
  static constexpr int kNodes = kOrder == 1 ? 3 : 8;

  template <int kOrder, class T>
  static DSP_HD void means_of_numbers(const T& a, const T& b, T* mean) {
    const T d = b - a;
    const auto near = less(abs_(d), T(kShort<kOrder>));
    T close[kOrder];
    for (T& m : close) m = T(0);
    if (any(near))
      quadrature<kNodes<kOrder>>([&](double t, double weight) {
        T f = T(weight) * Curve::f(a + d * T(t));
        for (int i = 0; i < kOrder; ++i) {
          close[i] += f;
          f = f * T(t);
        }
      });
    if (any(near == 0)) {
      T far[kOrder];
      Curve::template quotients<kOrder>(a, b, T(1) / select(near, T(1), d), far);
      for (int i = 0; i < kOrder; ++i) close[i] = select(near, close[i], far[i]);
    }
    for (int i = 0; i < kOrder; ++i) mean[i] = close[i];
  }

  /// The means as quotients by b - a, whose inverse comes in: those of sign(x), which turns where the way
  /// crosses 0, and those of the rest.
  template <int kOrder, class T>
  static DSP_HD void quotients(const T& a, const T& b, const T& inverse, T* mean) {
    const auto apart = less(T(0), a * b);
    const T side = select(less(select(apart, b, inverse), T(0)), T(-1), T(1));
    const T turn = select(apart, T(0), max_(T(0), min_(T(1), -a * inverse)));
    const T end = Curve::excess(abs_(b)), rise = (end - Curve::excess(abs_(a))) * inverse;
    mean[0] = side * (T(1) - T(2) * turn) + rise;
    if constexpr (kOrder == 2) {
      const T twice_b = Curve::excess_twice(abs_(b)), twice_a = Curve::excess_twice(abs_(a));
      const T from = select(less(a, T(0)), -twice_a, twice_a), to = select(less(b, T(0)), -twice_b, twice_b);
      mean[1] = side * (T(0.5) - turn * turn) + (end - (to - from) * inverse) * inverse;
    }
  }

  /// slope[i] of t^i f', i up to kOrder.
  template <int kOrder, class T>
  static DSP_HD void slopes(const T& a, const T& b, T* slope) {
    const T d = b - a;
    const auto near = less(abs_(d), T(kShort<kOrder>));
    T close[kOrder + 1];
    for (T& m : close) m = T(0);
    if (any(near))
      quadrature<kNodes<kOrder>>([&](double t, double weight) {
        T f = T(weight) * Curve::slope(a + d * T(t));
        for (int i = 0; i <= kOrder; ++i) {
          close[i] += f;
          f = f * T(t);
        }
      });
    if (any(near == 0)) {
      T mean[kOrder];
      means<Curve, kOrder>(a, b, mean);
      const T inverse = T(1) / select(near, T(1), d), end = Curve::f(b);
      close[0] = select(near, close[0], (end - Curve::f(a)) * inverse);
      for (int i = 1; i <= kOrder; ++i) close[i] = select(near, close[i], (end - T(i) * mean[i - 1]) * inverse);
    }
    for (int i = 0; i <= kOrder; ++i) slope[i] = close[i];
  }
};

/// An analytic curve with an antiderivative `integral` and one of that, `integral_twice`.
template <class Curve>
struct Plain : Smooth<Curve> {
  template <int kOrder, class T>
  static DSP_HD void quotients(const T& a, const T& b, const T& inverse, T* mean) {
    const T end = Curve::integral(b);
    mean[0] = (end - Curve::integral(a)) * inverse;
    if constexpr (kOrder == 2) {
      const T twice = (Curve::integral_twice(b) - Curve::integral_twice(a)) * inverse;
      mean[1] = (end - twice) * inverse;
    }
  }
};

/// Two analytic curves that meet at 0 with one slope: `Above` for x > 0, `Below` for the others.
template <class Above, class Below>
struct Halves {
  /// A half and the part of the way on its side: where that begins and ends, and the curve's x there.
  template <class Half, class T>
  struct Part {
    T enter, exit, from, to;

    template <int kOrder>
    DSP_HD void add_means(T* sum) const {
      T mean[kOrder];
      Half::template means_of_numbers<kOrder>(from, to, mean);
      const T length = exit - enter;
      sum[0] += length * mean[0];
      if constexpr (kOrder == 2) sum[1] += length * (enter * mean[0] + length * mean[1]);
    }
    template <int kOrder>
    DSP_HD void add_slopes(T* sum) const {
      T slope[kOrder + 1];
      Half::template slopes<kOrder>(from, to, slope);
      const T length = exit - enter;
      sum[0] += length * slope[0];
      sum[1] += length * (enter * slope[0] + length * slope[1]);
      if constexpr (kOrder == 2)
        sum[2] += length * (enter * (enter * slope[0] + T(2) * length * slope[1]) + length * length * slope[2]);
    }
  };

  /// Calls use(part) for both parts; the one of a half that the way does not touch has no length.
  template <class T, class Use>
  static DSP_HD void parts(const T& a, const T& b, Use use) {
    const T d = b - a;
    const auto starts = less(a, T(0)), ends = less(b, T(0)), crosses = starts != ends;
    const T turn = select(crosses, -a / select(crosses, d, T(1)), T(1));
    const T zero(0), one(1);
    use(Part<Above, T>{select(starts, turn, zero), select(ends, turn, one), max_(a, zero), max_(b, zero)});
    use(Part<Below, T>{select(starts, zero, turn), select(ends, one, turn), min_(a, zero), min_(b, zero)});
  }

  template <int kOrder, class T>
  static DSP_HD void means_of_numbers(const T& a, const T& b, T* mean) {
    for (int i = 0; i < kOrder; ++i) mean[i] = T(0);
    parts(a, b, [&](const auto& part) { part.template add_means<kOrder>(mean); });
  }
  template <int kOrder, class T>
  static DSP_HD void slopes(const T& a, const T& b, T* slope) {
    for (int i = 0; i <= kOrder; ++i) slope[i] = T(0);
    parts(a, b, [&](const auto& part) { part.template add_slopes<kOrder>(slope); });
  }
};

/// A polynomial of at most the third degree, `inside` -1 and 1, that ends there at -1 and 1.
template <class Curve>
struct Piecewise {
  /// The inner part of the way: where it begins and ends, and the curve's x there.
  template <class T>
  struct Inside {
    T enter, exit, from, to;

    static DSP_HD T within(const T& x, double low, double high) { return max_(min_(x, T(high)), T(low)); }
    DSP_HD Inside(const T& a, const T& b) : from(within(a, -1, 1)), to(within(b, -1, 1)) {
      const T d = b - a, inverse = T(1) / select(less(abs_(d), T(1e-30)), T(1e-30), d);
      const T low = (T(-1) - a) * inverse, high = (T(1) - a) * inverse;
      enter = within(min_(low, high), 0, 1);
      exit = within(max_(low, high), 0, 1);
    }
    /// Calls add(t, x, weight) at the nodes of a quadrature that is exact here.
    template <class Add>
    DSP_HD void nodes(Add add) const {
      const T length = exit - enter, way = to - from;
      quadrature<3>([&](double place, double weight) {
        add(enter + length * T(place), from + way * T(place), length * T(weight));
      });
    }
  };

  template <int kOrder, class T>
  static DSP_HD void means_of_numbers(const T& a, const T& b, T* mean) {
    const Inside<T> inner(a, b);
    const T before = Curve::inside(inner.from) * inner.enter, after = Curve::inside(inner.to) * (T(1) - inner.exit);
    T sum[] = {before + after, T(0.5) * (before * inner.enter + after * (T(1) + inner.exit))};
    inner.nodes([&](const T& t, const T& x, const T& weight) {
      const T f = weight * Curve::inside(x);
      sum[0] += f;
      sum[1] += t * f;
    });
    for (int i = 0; i < kOrder; ++i) mean[i] = sum[i];
  }

  template <int kOrder, class T>
  static DSP_HD void slopes(const T& a, const T& b, T* slope) {
    T sum[] = {T(0), T(0), T(0)};
    Inside<T>(a, b).nodes([&](const T& t, const T& x, const T& weight) {
      const T f = weight * Curve::inside_slope(x);
      sum[0] += f;
      sum[1] += t * f;
      sum[2] += t * t * f;
    });
    for (int i = 0; i <= kOrder; ++i) slope[i] = sum[i];
  }
};

struct Tanh : Smooth<Tanh> {
  static constexpr double kNear = 0.5;  // a pole lies at i pi / 2: the quadrature is good to 1e-15
  template <class T>
  static DSP_HD T f(const T& x) { return tanh_(x); }
  template <class T>
  static DSP_HD T slope(const T& x) {
    const T y = tanh_(x);
    return T(1) - y * y;
  }
  template <class T>
  static DSP_HD T excess(const T& x) { return log1p_(exp_(T(-2) * x)); }  // log cosh x - x + log 2, x >= 0
  /// A dilogarithm: the integral of `excess`, as the series in it that has the Bernoulli numbers.
  template <class T>
  static DSP_HD T excess_twice(const T& x) {
    const T w = excess(x), ww = w * w;
    T r(8.9216910204564526e-13);
    constexpr double kSeries[] = {-4.0647616451442255e-11, 1.8978869988970999e-9, -9.1857730746619636e-8,
                                  4.7241118669690098e-6,   -1.0 / 3600,           1.0 / 36};
    for (const double c : kSeries) r = r * ww + T(c);
    return T(0.5) * (T(0.8224670334241132) - w * (T(1) + w * (T(0.25) + w * r)));
  }
};

/// 2 / pi atan(pi x / 2): unit slope at the origin.
struct Arctan : Smooth<Arctan> {
  static constexpr double kNear = 0.35;  // a pole lies at i 2 / pi: the quadrature is good to 1e-14
  static constexpr double kScale = 0.6366197723675814, kSteep = 1.5707963267948966;
  template <class T>
  static DSP_HD T f(const T& x) { return T(kScale) * atan_(T(kSteep) * x); }
  template <class T>
  static DSP_HD T slope(const T& x) {
    const T u = T(kSteep) * x;
    return T(1) / (T(1) + u * u);
  }
  template <class T>
  static DSP_HD T excess(const T& x) {
    const T u = T(kSteep) * x;
    return T(-kScale / kSteep) * (u * rest(u) + T(0.5) * log1p_(u * u));
  }
  template <class T>
  static DSP_HD T excess_twice(const T& x) {
    const T u = T(kSteep) * x, uq = u * rest(u);
    return T(0.5 * kScale / (kSteep * kSteep)) * (u * (T(1) - uq - log1p_(u * u)) - atan_(u));
  }
  /// pi / 2 - atan(u), u >= 0, with all its digits.
  template <class T>
  static DSP_HD T rest(const T& u) { return atan_(T(1) / max_(u, T(1e-30))); }
};

/// asinh x, what two diodes in the feedback of an ideal amplifier make of a current: i = 2 Is sinh(v / Vt).
struct Diode : Plain<Diode> {
  static constexpr double kNear = 0.4;  // a pole lies at i
  template <class T>
  static DSP_HD T f(const T& x) {
    const T a = abs_(x), s = a * a;
    const T y = log1p_(a + s / (T(1) + sqrt_(T(1) + s)));
    return select(less(x, T(0)), -y, y);
  }
  template <class T>
  static DSP_HD T slope(const T& x) { return T(1) / sqrt_(T(1) + x * x); }
  template <class T>
  static DSP_HD T integral(const T& x) { return x * f(x) - sqrt_(T(1) + x * x); }
  template <class T>
  static DSP_HD T integral_twice(const T& x) {
    return (T(0.5) * x * x - T(0.25)) * f(x) - T(0.75) * x * sqrt_(T(1) + x * x);
  }
};

/// sin x: what exceeds a quarter of its period is folded back, again and again.
struct Fold : Plain<Fold> {
  static constexpr double kNear = 0.5;
  template <class T>
  static DSP_HD T f(const T& x) { return sin_(x); }
  template <class T>
  static DSP_HD T slope(const T& x) { return cos_(x); }
  template <class T>
  static DSP_HD T integral(const T& x) { return -cos_(x); }
  template <class T>
  static DSP_HD T integral_twice(const T& x) { return -sin_(x); }
};

/// 1 - exp(-x), x >= 0.
struct GridCurrent : Plain<GridCurrent> {
  static constexpr double kNear = 0.5;
  template <class T>
  static DSP_HD T f(const T& x) { return T(1) - exp_(-x); }
  template <class T>
  static DSP_HD T slope(const T& x) { return exp_(-x); }
  template <class T>
  static DSP_HD T integral(const T& x) { return x + exp_(-x); }
  template <class T>
  static DSP_HD T integral_twice(const T& x) { return T(0.5) * x * x - exp_(-x); }
};
/// (exp(2 x) - 1) / 2, x <= 0.
struct CutOff : Plain<CutOff> {
  static constexpr double kNear = 0.35;
  template <class T>
  static DSP_HD T f(const T& x) { return T(0.5) * (exp_(T(2) * x) - T(1)); }
  template <class T>
  static DSP_HD T slope(const T& x) { return exp_(T(2) * x); }
  template <class T>
  static DSP_HD T integral(const T& x) { return T(0.25) * exp_(T(2) * x) - T(0.5) * x; }
  template <class T>
  static DSP_HD T integral_twice(const T& x) { return T(0.125) * exp_(T(2) * x) - T(0.25) * x * x; }
};
/// The grid's current limits a tube at 1, its cut-off at -1/2; the slope at the origin is 1 on both sides.
struct Tube : Halves<GridCurrent, CutOff> {};

struct Hard : Piecewise<Hard> {
  template <class T>
  static DSP_HD T inside(const T& x) { return x; }
  template <class T>
  static DSP_HD T inside_slope(const T&) { return T(1); }
};

/// 1.5 x - 0.5 x^3 up to full scale: the softest polynomial knee.
struct Cubic : Piecewise<Cubic> {
  template <class T>
  static DSP_HD T inside(const T& x) { return x * (T(1.5) - T(0.5) * x * x); }
  template <class T>
  static DSP_HD T inside_slope(const T& x) { return T(1.5) * (T(1) - x * x); }
};

}  // namespace
}  // namespace dsp
