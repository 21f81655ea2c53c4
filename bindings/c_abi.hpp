// The functions of dspcore.h for the chain of the file that includes this.
#pragma once

#include <new>

#include "dspcore.h"
#include "plugin/chain.hpp"

#pragma GCC diagnostic ignored "-Wsubobject-linkage"  // a chain is one file
struct dspcore_chain {
  dsp::plugin::Chain chain;
  explicit dspcore_chain(double rate) : chain(rate) {}
};

namespace dsp::plugin {
namespace {

/// What stands at the front of a saved state.
struct StateHeader {
  char magic[8];
  std::uint64_t size;
  double rate;
};
constexpr char kMagic[8] = {'d', 's', 'p', 'c', 'o', 'r', 'e', '1'};

struct SavedParameter {
  double wanted, start, target;
  std::int64_t done;
};

}  // namespace
}  // namespace dsp::plugin

extern "C" {

int dspcore_inputs(void) { return dsp::plugin::kInputs; }
int dspcore_outputs(void) { return dsp::plugin::kOutputs; }
int dspcore_parameters(void) { return dsp::plugin::kParameters; }
const dspcore_parameter* dspcore_describe(int index) {
  return index >= 0 && index < dsp::plugin::kParameters ? &dsp::plugin::kDescriptions[index] : nullptr;
}

dspcore_chain* dspcore_create(double sample_rate) {
  using namespace dsp::plugin;
  if (!(sample_rate >= kLeastRate && sample_rate <= 1e6) || sample_rate != std::floor(sample_rate)) return nullptr;
  if (!kAnyRate && std::find(std::begin(kUsualRates), std::end(kUsualRates), sample_rate) == std::end(kUsualRates)) return nullptr;
  return new (std::nothrow) dspcore_chain(sample_rate);
}
void dspcore_destroy(dspcore_chain* c) { delete c; }

void dspcore_set(dspcore_chain* c, int index, double value) {
  if (index >= 0 && index < dsp::plugin::kParameters && std::isfinite(value))
    c->chain.parameters[index].wanted.store(value, std::memory_order_relaxed);
}
double dspcore_get(const dspcore_chain* c, int index) {
  if (index < 0 || index >= dsp::plugin::kParameters) return NAN;
  return c->chain.parameters[index].wanted.load(std::memory_order_relaxed);
}
void dspcore_process(dspcore_chain* c, const float* const* in, float* const* out, int64_t samples) {
  c->chain.process(in, out, samples);
}
int dspcore_is_instrument(void) { return dsp::plugin::kInstrument; }
void dspcore_note_on(dspcore_chain* c, int pitch, int velocity) {
  if (velocity <= 0) return dspcore_note_off(c, pitch);
  const auto play = [&](auto& keys) {
    if constexpr (dsp::plugin::kInstrument) keys.note_on(pitch & 127, velocity & 127);
  };
  play(c->chain.parts.wires);
}
void dspcore_note_off(dspcore_chain* c, int pitch) {
  const auto let_go = [&](auto& keys) {
    if constexpr (dsp::plugin::kInstrument) pitch < 0 ? keys.all_off() : keys.note_off(pitch);
  };
  let_go(c->chain.parts.wires);
}
void dspcore_reset(dspcore_chain* c) { c->chain.reset(); }
int64_t dspcore_latency(const dspcore_chain* c) { return dsp::plugin::latency_at(c->chain.rate); }

size_t dspcore_state_size(const dspcore_chain* c) {
  using namespace dsp::plugin;
  return sizeof(StateHeader) + kParameters * sizeof(SavedParameter) + c->chain.size;
}
void dspcore_save(const dspcore_chain* c, void* state) {
  using namespace dsp::plugin;
  char* to = static_cast<char*>(state);
  StateHeader header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.size = dspcore_state_size(c);
  header.rate = c->chain.rate;
  std::memcpy(to, &header, sizeof(header));
  to += sizeof(header);
  for (int i = 0; i < kParameters; ++i) {
    const Parameter& p = c->chain.parameters[i];
    const SavedParameter saved{p.wanted.load(std::memory_order_relaxed), p.start, p.target, p.done};
    std::memcpy(to, &saved, sizeof(saved));
    to += sizeof(saved);
  }
  std::memcpy(to, c->chain.base, c->chain.size);
}
int dspcore_load(dspcore_chain* c, const void* state, size_t size) {
  using namespace dsp::plugin;
  const char* from = static_cast<const char*>(state);
  StateHeader header{};
  if (size != dspcore_state_size(c)) return 0;
  std::memcpy(&header, from, sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0 || header.size != size || header.rate != c->chain.rate) return 0;
  from += sizeof(header);
  for (int i = 0; i < kParameters; ++i) {
    SavedParameter saved;
    std::memcpy(&saved, from, sizeof(saved));
    from += sizeof(saved);
    Parameter& p = c->chain.parameters[i];
    p.wanted = saved.wanted;
    p.start = saved.start;
    p.target = saved.target;
    p.done = saved.done;
    c->chain.changed[i] = true;
  }
  std::memcpy(c->chain.base, from, c->chain.size);
  c->chain.silent = false;
  c->chain.parts.each([](auto& part) { part.fill_in(); });
  return 1;
}

}  // extern "C"
