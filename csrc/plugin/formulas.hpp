// Element-wise formulas under the names that torch gives them.
#pragma once

#include <cmath>

namespace dsp::plugin {
namespace {

#define DSP_UNARY(Name, formula)  \
  struct Name {                   \
    template <class T>            \
    static T of(T x) {            \
      return T(formula);          \
    }                             \
  };
#define DSP_BINARY(Name, formula) \
  struct Name {                   \
    template <class T>            \
    static T of(T x, T y) {       \
      return T(formula);          \
    }                             \
  };
#define DSP_TERNARY(Name, formula) \
  struct Name {                    \
    template <class T>             \
    static T of(T x, T y, T z) {   \
      return T(formula);           \
    }                              \
  };

DSP_UNARY(Neg, -x)
DSP_UNARY(Abs, std::fabs(x))
DSP_UNARY(Exp, std::exp(x))
DSP_UNARY(Exp2, std::exp2(x))
DSP_UNARY(Expm1, std::expm1(x))
DSP_UNARY(Log, std::log(x))
DSP_UNARY(Log2, std::log2(x))
DSP_UNARY(Log10, std::log10(x))
DSP_UNARY(Log1p, std::log1p(x))
DSP_UNARY(Sqrt, std::sqrt(x))
DSP_UNARY(Rsqrt, T(1) / std::sqrt(x))
DSP_UNARY(Reciprocal, T(1) / x)
DSP_UNARY(Sin, std::sin(x))
DSP_UNARY(Cos, std::cos(x))
DSP_UNARY(Tan, std::tan(x))
DSP_UNARY(Sinh, std::sinh(x))
DSP_UNARY(Tanh, std::tanh(x))
DSP_UNARY(Asinh, std::asinh(x))
DSP_UNARY(Atan, std::atan(x))
DSP_UNARY(Floor, std::floor(x))
DSP_UNARY(Ceil, std::ceil(x))
DSP_UNARY(Round, std::nearbyint(x))
DSP_UNARY(Trunc, std::trunc(x))
DSP_UNARY(Sign, (x > T(0)) - (x < T(0)))
DSP_UNARY(Sigmoid, T(1) / (T(1) + std::exp(-x)))
DSP_UNARY(Not, x == T(0))

DSP_BINARY(Add, x + y)
DSP_BINARY(Sub, x - y)
DSP_BINARY(Mul, x * y)
DSP_BINARY(Div, x / y)
DSP_BINARY(Pow, y == T(2) ? x * x : y == T(3) ? x * x * x : std::pow(x, y))
DSP_BINARY(Atan2, std::atan2(x, y))
DSP_BINARY(Maximum, x < y || y != y ? y : x)
DSP_BINARY(Minimum, y < x || y != y ? y : x)
DSP_BINARY(Remainder, x - y * std::floor(x / y))
DSP_BINARY(Less, x < y)
DSP_BINARY(LessEqual, x <= y)
DSP_BINARY(Greater, x > y)
DSP_BINARY(GreaterEqual, x >= y)
DSP_BINARY(Equal, x == y)
DSP_BINARY(NotEqual, x != y)
DSP_BINARY(And, x != T(0) && y != T(0))
DSP_BINARY(Or, x != T(0) || y != T(0))

DSP_TERNARY(Where, x != T(0) ? y : z)
DSP_TERNARY(Clamp, x < y ? y : z < x ? z : x)
DSP_TERNARY(AddScaled, x + z * y)
DSP_TERNARY(SubScaled, x - z * y)
DSP_TERNARY(AddProduct, x + y * z)
DSP_TERNARY(Lerp, z < T(0.5) ? x + z * (y - x) : y - (y - x) * (T(1) - z))

#undef DSP_UNARY
#undef DSP_BINARY
#undef DSP_TERNARY

}  // namespace
}  // namespace dsp::plugin
