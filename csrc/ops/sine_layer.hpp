// A dense layer of sines: y_j = sum_i a_ij sin(w_ij x_i + p_ij). Outputs lie on the lanes. The backward
// pass takes the sines again and works input by input, so that every gradient of a weight is one sum over
// the rows, in one order, whatever the threads.
#pragma once

#include "dsp/op.hpp"
#include "ops/shared/circle.hpp"

namespace dsp {
namespace {

struct SineLayer {
  static constexpr const char* kName = "sine_layer";
  static constexpr int kArguments = 4, kResults = 1, kWorkspaces = 0, kScratches = 0;
  static constexpr bool kLanes = false, kWide = false;
#ifdef __CUDACC__
  static constexpr int kRows = 1, kPacks = 1;
#else
  static constexpr int kRows = 4;   // that share what is read of the weights
  static constexpr int kPacks = 4;  // of outputs that share a sum over the lanes
#endif

  /// Arguments x (b, m, i), amplitude, frequency and phase (b, i, j); result y (b, m, j).
  struct Forward {
    static constexpr int kPorts = 5;
    Port x, amplitude, frequency, phase, y;

    DSP_HD std::int64_t groups() const { return (x.size(1) + kRows - 1) / kRows; }
#ifdef __CUDACC__
    std::int64_t rows() const { return x.size(0) * groups() * y.size(2); }
#else
    std::int64_t rows() const { return x.size(0) * groups(); }
#endif
    std::int64_t work() const { return x.size(0) * x.size(1) * x.size(2) * y.size(2) / 4; }

    template <class T>
    DSP_HD void run(std::int64_t item, std::int64_t) const {
#ifdef __CUDACC__
      outputs<T>(item / y.size(2), item % y.size(2), item % y.size(2) + 1);
#else
      outputs<T>(item, 0, y.size(2));
#endif
    }
    template <class T>
    DSP_HD void outputs(std::int64_t item, std::int64_t first, std::int64_t last) const {
      using Real = typename Traits<T>::Real;
      using V = typename Abreast<T>::Type;
      constexpr int kWidth = Traits<V>::kLanes;
      const std::int64_t b = item / groups(), m0 = item % groups() * kRows;
      const std::int64_t inputs = x.size(2), count = x.size(1) - m0 < kRows ? x.size(1) - m0 : kRows;
      for (std::int64_t j = first; j < last; j += kWidth) {
        const int lanes = int(last - j < kWidth ? last - j : kWidth);
        V sum[kRows];
        for (int r = 0; r < kRows; ++r) sum[r] = V(0);
        for (std::int64_t i = 0; i < inputs; ++i) {
          const V a = abreast<V>(Series<Real, T>(amplitude, b, i), j, lanes);
          const V w = abreast<V>(Series<Real, T>(frequency, b, i), j, lanes);
          const V p = abreast<V>(Series<Real, T>(phase, b, i), j, lanes);
          for (int r = 0; r < kRows; ++r) {
            V s, c;
            sines(w * spread<V>(x.load<T>(b, m0 + (r < count ? r : 0), i)) + p, s, c);
            sum[r] += a * s;
          }
        }
        for (int r = 0; r < count; ++r)
          for (int l = 0; l < lanes; ++l) y.store(lane(sum[r], l), b, m0 + r, j + l);
      }
    }
  };

  struct Backward {
    static constexpr int kPorts = 9;
    Port x, amplitude, frequency, phase, gy, gx, gamplitude, gfrequency, gphase;

    std::int64_t rows() const { return x.size(0) * x.size(2); }
    std::int64_t work() const { return x.size(0) * x.size(1) * x.size(2) * gy.size(2) / 2; }

    template <class T>
    DSP_HD void run(std::int64_t item, std::int64_t) const {
      using Real = typename Traits<T>::Real;
      using V = typename Abreast<T>::Type;
      constexpr int kWidth = Traits<V>::kLanes;
      const std::int64_t b = item / x.size(2), i = item % x.size(2), rows = x.size(1), last = amplitude.size(2);
      const Series<Real, T> as(amplitude, b, i), ws(frequency, b, i), ps(phase, b, i);
      const bool wanted = gx.given() || gx.tangent.data;
      for (std::int64_t m = 0; wanted && m < rows; ++m) gx.store(T(0), b, m, i);
      for (std::int64_t j0 = 0; j0 < last; j0 += kPacks * kWidth) {
        V a[kPacks], w[kPacks], p[kPacks], ga[kPacks], gw[kPacks], gp[kPacks];
        int lanes[kPacks];
        for (int q = 0; q < kPacks; ++q) {
          const std::int64_t j = j0 + q * kWidth;
          lanes[q] = int(last - j < kWidth ? (last - j > 0 ? last - j : 0) : kWidth);
          a[q] = abreast<V>(as, j, lanes[q]);
          w[q] = abreast<V>(ws, j, lanes[q]);
          p[q] = abreast<V>(ps, j, lanes[q]);
          ga[q] = gw[q] = gp[q] = V(0);
        }
        for (std::int64_t m = 0; m < rows; ++m) {
          const T number = x.load<T>(b, m, i);
          const V at = spread<V>(number);
          const Series<Real, T> g(gy, b, m);
          V back(0);
          for (int q = 0; q < kPacks; ++q) {
            V s, c;
            sines(w[q] * at + p[q], s, c);
            const V gt = abreast<V>(g, j0 + q * kWidth, lanes[q]), slope = gt * a[q] * c;
            ga[q] += gt * s;
            gp[q] += slope;
            gw[q] += slope * at;
            back += slope * w[q];
          }
          if (wanted) Series<Real, T>(gx, b, m).add_out(i, total(back));
        }
        for (int q = 0; q < kPacks; ++q)
          for (int l = 0; l < lanes[q]; ++l) {
            const std::int64_t j = j0 + q * kWidth + l;
            gamplitude.store(lane(ga[q], l), b, i, j);
            gfrequency.store(lane(gw[q], l), b, i, j);
            gphase.store(lane(gp[q], l), b, i, j);
          }
      }
    }
  };
};

const Register<SineLayer> kSineLayer;

}  // namespace
}  // namespace dsp
