// What every exported chain does around its parts: memory, parameters that glide, blocks of any length.
#pragma once

#include <algorithm>
#include <memory>
#include <new>

#include "dsp/threads.hpp"
#include "plugin/bells.hpp"
#include "plugin/convolution.hpp"
#include "plugin/formulas.hpp"
#include "plugin/parameter.hpp"
#include "plugin/responses.hpp"
#include "plugin/tensor.hpp"

namespace dsp::plugin {
namespace {

struct Chain;
double* setting_values(Chain* chain, int index);
double* part_made(Chain* chain, int part);
double* part_ear(Chain* chain, int part, const char* input);
void part_run(Chain* chain, int part, std::int64_t n);

/// `Parts` has the effects and the wires between them, made for one sample rate.
template <class Parts, int kParameters, int kInputs, int kOutputs>
struct ChainOf {
  Parts parts;
  Parameter parameters[kParameters > 0 ? kParameters : 1];
  double rate;
  bool changed[kParameters > 0 ? kParameters : 1] = {};
  bool moving[kParameters > 0 ? kParameters : 1] = {};
  std::size_t size = 0;  // of the state
  std::unique_ptr<char[]> memory;
  char* base = nullptr;
  bool silent = true;  // nothing was heard yet: parameters need not glide

  template <class Self>
  ChainOf(Self& self, double r, const Range* ranges) : rate(r) {
    Arena counted;
    place(self, counted, ranges);
    size = (counted.used() + 63) / 64 * 64;
    memory.reset(new char[size + counted.used_by_tables() + 64]());
    base = reinterpret_cast<char*>((reinterpret_cast<std::uintptr_t>(memory.get()) + 63) / 64 * 64);
    Arena arena(base, base + size);
    place(self, arena, ranges);
    for (int i = 0; i < kParameters; ++i) parameters[i].wanted = ranges[i].start;
    parts.each([](auto& part) {
      part.fill_in();
      part.prepare();
    });
    reset();
  }
  template <class Self>
  void place(Self& self, Arena& arena, const Range* ranges) {
    for (int i = 0; i < kParameters; ++i) parameters[i].place(arena, ranges[i], rate);
    parts.each([&](auto& part) { part.place(arena, self, rate); });
  }

  /// Silence before, and parameters where the host wants them.
  void reset() {
    silent = true;
    for (bool& c : changed) c = true;
    parts.each([](auto& part) { part.reset(); });
  }

  /// Runs one part: with moving parameters where one of its own moves.
  template <class Part>
  void play(Part& part, std::int64_t n) {
    bool any_moves = false, any_changed = false;
    for (int i : Part::kSettings) {
      if (i < 0) continue;
      any_moves = any_moves || moving[i];
      any_changed = any_changed || changed[i];
    }
    part.run(n, any_moves, any_changed);
  }

  void process(const float* const* in, float* const* out, std::int64_t samples) {
    const FlushDenormals flush;
    for (int i = 0; silent && i < kParameters; ++i) parameters[i].jump();
    silent = silent && samples == 0;
    for (int i = 0; i < kParameters; ++i) changed[i] = parameters[i].turn() || changed[i];
    for (std::int64_t from = 0; from < samples;) {
      std::int64_t n = std::min(kBlock, samples - from), left = 0;
      for (int i = 0; i < kParameters; ++i) {
        moving[i] = parameters[i].glides();
        if (moving[i]) left = std::max(left, parameters[i].length - parameters[i].done);
      }
      if (left > 0) n = std::min(n, left);  // what comes after the glides stands still
      for (int i = 0; i < kParameters; ++i) {
        parameters[i].spread(n);
        changed[i] = changed[i] || moving[i];
      }
      for (int c = 0; c < kInputs; ++c)
        if (double* const ear = parts.ear(c, n))
          for (std::int64_t i = 0; i < n; ++i) ear[i] = in[c][from + i];
      play(parts.wires, n);
      for (int c = 0; c < kOutputs; ++c)
        for (std::int64_t i = 0; i < n; ++i) out[c][from + i] = float(parts.wires.made[c * n + i]);
      for (int i = 0; i < kParameters; ++i) changed[i] = moving[i];
      from += n;
    }
  }
};

}  // namespace
}  // namespace dsp::plugin
