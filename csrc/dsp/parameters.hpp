// From parameters that move to coefficients, and from the gradient of coefficients back to that of the
// parameters they were prepared from.
#pragma once

#include "dsp/launch.hpp"
#include "dsp/tile.hpp"

namespace dsp {
namespace {

/// The adjoint of `Op::prepare` at `params`: by `Op::unprepare`, which an op has where duals of its many
/// parameters would be slow, else by duals.
template <class Op, class Wide>
DSP_HD void back_to_parameters(const Wide* params, const Wide* gc, Wide* gp) {
  constexpr int P = Op::kParams, C = Op::kCoefs;
  if constexpr (requires { Op::unprepare(params, gc, gp); }) {
    Op::unprepare(params, gc, gp);
  } else {
    Dual<Wide, P> p[P], prepared[C];
    for (int i = 0; i < P; ++i) {
      p[i].v = params[i];
      for (int j = 0; j < P; ++j) p[i].d[j] = Wide(i == j ? 1 : 0);
    }
    Op::prepare(p, prepared);
    for (int i = 0; i < P; ++i) {
      gp[i] = Wide(0);
      for (int j = 0; j < C; ++j) gp[i] += prepared[j].d[i] * gc[j];
    }
  }
}

/// Moving parameters of one stage for a stretch of samples, and the coefficients from them, prepared
/// with the rows on the lanes, or, where all rows have the same, with time on them.
template <class Op, class T>
struct MovingStage {
  static constexpr int P = Op::kParams, C = Op::kCoefs;
  using Wide = typename Traits<T>::Double;
  static constexpr int kLanes = Traits<T>::kLanes;
#ifdef __CUDACC__
  static constexpr int kStretch = std::is_arithmetic_v<T> ? kChunk / 4 : 1;  // the duals of more have no room in registers
#else
  static constexpr int kStretch = kChunk / 4;
#endif
  static constexpr bool kShares = kLanes > 1 && std::is_same_v<typename Traits<T>::Scalar, typename Traits<T>::Real>;
  Wide params[P][kStretch] = {};
  T owed[kShares ? C : 1][kShares ? kStretch : 1];  // to one set for all rows
  T coefs[kStretch][C];

  /// Do all rows have the same parameters? A gradient may then be asked for of the rows on the lanes together.
  static DSP_HD bool same(const Port& port) {
    return kShares && (port.size(0) == 1 || port.value.stride[0] == 0) && (port.size(1) == 1 || port.value.stride[1] == 0);
  }
  static DSP_HD bool together(const Port& port, const Port& gradient, const Rows& rows) {
    return same(port) && gradient.given() && gradient.size(0) * gradient.size(1) != rows.count;
  }

  /// Parameter `i` of stage `k` as a signal (b, c, n).
  static DSP_HD Port signal(const Port& port, int k, int i) {
    Port r = port.from(0, 0, k, i);
    r.value.stride[2] = r.value.stride[4];
    r.tangent.stride[2] = r.tangent.stride[4];
    return r;
  }
  DSP_HD void load(const Port& port, const Rows& rows, int k, std::int64_t t, int n, [[maybe_unused]] bool sharing = true) {
#ifndef __CUDACC__
    if constexpr (kShares)
      if (sharing && same(port)) return load_one(port, k, t, n);
#endif
    for (int i = 0; i < P; ++i) load_tile(signal(port, k, i), rows, t, n, params[i]);
    for (int m = 0; m < n; ++m) {
      Wide p[P], c[C];
      for (int i = 0; i < P; ++i) p[i] = params[i][m];
      Op::prepare(p, c);
      for (int j = 0; j < C; ++j) coefs[m][j] = cast<T>(c[j]);
    }
  }
#ifndef __CUDACC__
  void load_one(const Port& port, int k, std::int64_t t, int n) {
    for (int m = 0; m < n; m += kLanes) {
      Wide p[P], c[C];
      const int count = n - m < kLanes ? n - m : kLanes;
      for (int i = 0; i < P; ++i) {
        const std::int64_t at = Port::at(port.value, 0, 0, k, i, t + m), step = port.value.stride[4];
        if (count == kLanes && step == 1 && port.value.bits == 64)
          p[i] = Wide::at(static_cast<const double*>(port.value.data) + at);
        else {
          p[i] = Wide(0);
          for (int l = 0; l < kLanes; ++l) set_lane(p[i], l, Port::read<double>(port.value, at + step * (l < count ? l : count - 1)));
        }
        params[i][m / kLanes] = p[i];
      }
      Op::prepare(p, c);
      for (int j = 0; j < C; ++j) {
        typename Traits<T>::Real each[kLanes];
        cast<T>(c[j]).to(each);
        for (int l = 0; l < count; ++l) coefs[m + l][j] = T(each[l]);
      }
    }
  }
  /// What sample `m` owes to one set for all rows.
  void owe_one(int m, const T* gc) {
    for (int j = 0; j < C; ++j) owed[j][m] = gc[j];
  }
  /// The gradients of one set, to where they are asked for: rows on the lanes together have one.
  void give_one(const Port& gradient, const Rows& rows, int k, std::int64_t t, int n) const {
    const std::int64_t left = rows.count - rows.first;
    for (int m = 0; m < n; m += kLanes) {
      Wide p[P], g[C], gp[P];
      const int count = n - m < kLanes ? n - m : kLanes;
      for (int i = 0; i < P; ++i) p[i] = params[i][m / kLanes];
      for (int j = 0; j < C; ++j) {
        T block[kLanes];
        for (int l = 0; l < kLanes; ++l) block[l] = l < count ? owed[j][m + l] : T(0);
        transpose<1>(block);
        g[j] = Wide(0);
        for (int l = 0; l < kLanes && l < left; ++l) g[j] += cast<Wide>(block[l]);  // those past the last row repeat it
      }
      back_to_parameters<Op>(p, g, gp);
      for (int i = 0; i < P; ++i) {
        const std::int64_t at = Port::at(gradient.value, rows.first / kLanes, 0, k, i, t + m);
        for (int l = 0; l < count; ++l) Port::put(gradient.value, at + gradient.value.stride[4] * l, lane(gp[i], l));
      }
    }
  }
#endif
  /// Puts the gradients of sample `m` in place of its parameters.
  DSP_HD void back(int m, const T* gc) {
    Wide p[P], g[C], gp[P];
    for (int i = 0; i < P; ++i) p[i] = params[i][m];
    for (int j = 0; j < C; ++j) g[j] = cast<Wide>(gc[j]);
    back_to_parameters<Op>(p, g, gp);
    for (int i = 0; i < P; ++i) params[i][m] = gp[i];
  }
};

}  // namespace
}  // namespace dsp
