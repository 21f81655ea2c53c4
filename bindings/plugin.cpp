// A chain as a plug-in of the DISTRHO Plugin Framework, which makes every format of this one class. It
// knows the chain by dspcore.h alone; what differs from chain to chain is in DistrhoPluginInfo.h, which
// `dspcore export` writes.
#include <cmath>
#include <limits>

#include "DistrhoPlugin.hpp"
#include "dspcore.h"

START_NAMESPACE_DISTRHO

class ChainPlugin : public Plugin {
 public:
  ChainPlugin() : Plugin(std::uint32_t(dspcore_parameters()), 0, 0) { make(getSampleRate()); }
  ~ChainPlugin() override { dspcore_destroy(chain_); }

 protected:
  const char* getLabel() const override { return DSPCORE_LABEL; }
  const char* getDescription() const override { return DSPCORE_DESCRIPTION; }
  const char* getMaker() const override { return DSPCORE_MAKER; }
  const char* getLicense() const override { return DSPCORE_LICENSE; }
  std::uint32_t getVersion() const override { return d_version(1, 0, 0); }
  std::int64_t getUniqueId() const override { return DSPCORE_UNIQUE_ID; }

  void initAudioPort(bool input, std::uint32_t index, AudioPort& port) override {
    const int count = input ? DSPCORE_CHANNELS : DISTRHO_PLUGIN_NUM_OUTPUTS;
    port.groupId = count == 1 ? kPortGroupMono : kPortGroupStereo;
    Plugin::initAudioPort(input, index, port);
    if (input && int(index) >= DSPCORE_CHANNELS) {
      port.hints |= kAudioPortIsSidechain;
      port.groupId = kPortGroupNone;
    }
  }
  void initParameter(std::uint32_t index, Parameter& parameter) override {
    const dspcore_parameter& p = *dspcore_describe(int(index));
    parameter.hints = kParameterIsAutomatable;
    if (p.logarithmic) parameter.hints |= kParameterIsLogarithmic;
    parameter.name = p.name;
    parameter.symbol = p.symbol;
    parameter.unit = p.unit;
    parameter.description = p.doc;
    parameter.ranges.min = float(p.minimum);
    parameter.ranges.max = float(p.maximum);
    parameter.ranges.def = float(p.start);
    parameter.ranges.fixDefault();
  }
  float getParameterValue(std::uint32_t index) const override {
    return chain_ ? float(dspcore_get(chain_, int(index))) : 0.0f;
  }
  /// Hosts have float32 numbers, some of them of the place in the range: what is the default within those is
  /// the default, exactly, so that it sounds the same whether a host sets it, restores it or leaves it.
  void setParameterValue(std::uint32_t index, float value) override {
    const dspcore_parameter& p = *dspcore_describe(int(index));
    const double step = (std::fabs(p.start) + p.maximum - p.minimum) * std::numeric_limits<float>::epsilon();
    if (chain_) dspcore_set(chain_, int(index), std::fabs(value - p.start) <= step ? p.start : value);
  }

  void activate() override {
    if (chain_) dspcore_reset(chain_);
  }
  void sampleRateChanged(double rate) override { make(rate); }
#if DISTRHO_PLUGIN_WANT_MIDI_INPUT
  void run(const float** inputs, float** outputs, std::uint32_t frames, const MidiEvent* events, std::uint32_t count) override {
    std::uint32_t done = 0;
    for (std::uint32_t i = 0; chain_ && i < count; ++i) {
      const std::uint32_t at = events[i].frame < frames ? events[i].frame : frames;
      if (at > done) play(inputs, outputs, done, at - done);
      done = at > done ? at : done;
      const std::uint8_t* const data = events[i].size > MidiEvent::kDataSize ? events[i].dataExt : events[i].data;
      const int kind = data[0] & 0xf0;
      if (kind == 0x90) dspcore_note_on(chain_, data[1], data[2]);
      if (kind == 0x80) dspcore_note_off(chain_, data[1]);
      if (kind == 0xb0 && (data[1] == 120 || data[1] == 123)) dspcore_note_off(chain_, -1);
    }
    if (frames > done) play(inputs, outputs, done, frames - done);
  }
#else
  void run(const float** inputs, float** outputs, std::uint32_t frames) override { play(inputs, outputs, 0, frames); }
#endif

 private:
  void play(const float** inputs, float** outputs, std::uint32_t from, std::uint32_t frames) {
    const float* in[DISTRHO_PLUGIN_NUM_INPUTS + 1];
    float* out[DISTRHO_PLUGIN_NUM_OUTPUTS];
    for (int c = 0; c < DISTRHO_PLUGIN_NUM_INPUTS; ++c) in[c] = inputs[c] + from;
    for (int c = 0; c < DISTRHO_PLUGIN_NUM_OUTPUTS; ++c) out[c] = outputs[c] + from;
    if (chain_) {
      dspcore_process(chain_, in, out, frames);
      return;
    }
    for (int c = 0; c < DISTRHO_PLUGIN_NUM_OUTPUTS; ++c) std::memset(out[c], 0, sizeof(float) * frames);
  }

  /// A chain for a sample rate, with the parameters of the one before.
  void make(double rate) {
    dspcore_chain* const made = dspcore_create(rate);
    for (int i = 0; made && chain_ && i < dspcore_parameters(); ++i) dspcore_set(made, i, dspcore_get(chain_, i));
    dspcore_destroy(chain_);
    chain_ = made;
#if DISTRHO_PLUGIN_WANT_LATENCY
    setLatency(chain_ ? std::uint32_t(dspcore_latency(chain_)) : 0);
#endif
  }

  dspcore_chain* chain_ = nullptr;

  DISTRHO_DECLARE_NON_COPYABLE_WITH_LEAK_DETECTOR(ChainPlugin)
};

Plugin* createPlugin() { return new ChainPlugin(); }

END_NAMESPACE_DISTRHO

#include "DistrhoPluginMain.cpp"
