// Phases as whole numbers of 2^-32 turns, on a CPU: they wrap by themselves, their sums are exact in both
// directions, and a sine needs no other reduction. Drift is kept out by a float64 phase every few dozen samples.
#pragma once

#include "ops/shared/circle.hpp"

#ifndef __CUDACC__
namespace dsp {
namespace {

using Floats = Pack<float, kLaneBytes / 4>;
constexpr int kFloats = Traits<Floats>::kLanes;
/// As many phases, in 2^-32 turns.
using Turns [[gnu::vector_size(kLaneBytes)]] = std::uint32_t;
using SignedTurns [[gnu::vector_size(kLaneBytes)]] = std::int32_t;

/// A number's place within a turn, to the nearest 2^-32 turns.
inline std::uint32_t rounded(double turns) {
  const double one_to_two = turns - std::floor(turns) + (1.0 + 0x1p-33);
  std::uint64_t bits;
  std::memcpy(&bits, &one_to_two, sizeof bits);
  return std::uint32_t(bits >> 20);
}

/// Sines and cosines of phases, within 1e-7: polynomials (minimax) on the half turn around a multiple of half a turn.
inline void sines(Turns phase, Floats& s, Floats& c) {
  const SignedTurns r = SignedTurns(phase << 1) >> 1;  // -1/4 ... 1/4 of a turn
  const Turns sign = phase ^ Turns(r);                 // whether half a turn lies between
  const Floats x = Floats(__builtin_convertvector(r, Floats::Vector)) * Floats(1.4629180792671596e-9f), z = x * x;
  const Floats odd = Floats(9.9999997658e-01f) + z * (Floats(-1.6666647627e-01f) + z * (Floats(8.3328996944e-03f) +
                     z * (Floats(-1.9800889803e-04f) + z * Floats(2.5904723714e-06f))));
  const Floats even = Floats(9.9999999978e-01f) + z * (Floats(-4.9999999358e-01f) + z * (Floats(4.1666636246e-02f) +
                      z * (Floats(-1.3888361243e-03f) + z * (Floats(2.4760153182e-05f) + z * Floats(-2.6051348046e-07f)))));
  const Floats sine = x * odd;
  Turns bits;
  std::memcpy(&bits, &sine, sizeof bits);
  bits ^= sign;
  std::memcpy(&s, &bits, sizeof bits);
  std::memcpy(&bits, &even, sizeof bits);
  bits ^= sign;
  std::memcpy(&c, &bits, sizeof bits);
}

}  // namespace
}  // namespace dsp
#endif
