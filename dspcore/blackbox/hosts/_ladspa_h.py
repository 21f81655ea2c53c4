"""The declarations of ladspa.h 1.1 (LGPL-2.1, an interface) that the host uses, for cffi."""

LADSPA = """
typedef struct { int hints; float low; float high; } LADSPA_PortRangeHint;
typedef struct _LADSPA_Descriptor {
  unsigned long unique_id;
  const char* label;
  int properties;
  const char* name;
  const char* maker;
  const char* copyright;
  unsigned long port_count;
  const int* ports;
  const char* const* port_names;
  const LADSPA_PortRangeHint* hints;
  void* data;
  void* (*instantiate)(const struct _LADSPA_Descriptor*, unsigned long rate);
  void (*connect_port)(void*, unsigned long port, float* location);
  void (*activate)(void*);
  void (*run)(void*, unsigned long samples);
  void (*run_adding)(void*, unsigned long);
  void (*set_run_adding_gain)(void*, float);
  void (*deactivate)(void*);
  void (*cleanup)(void*);
} LADSPA_Descriptor;
const LADSPA_Descriptor* ladspa_descriptor(unsigned long index);
"""

# Port descriptors.
INPUT, OUTPUT, CONTROL, AUDIO = 1, 2, 4, 8

# Range hints; the default is one of a few places in the range.
BELOW, ABOVE, TOGGLED, SAMPLE_RATE, LOGARITHMIC, INTEGER = 1, 2, 4, 8, 16, 32
DEFAULT = 0x3C0
MINIMUM, LOW, MIDDLE, HIGH, MAXIMUM = 0x40, 0x80, 0xC0, 0x100, 0x140
FIXED = {0x200: 0.0, 0x240: 1.0, 0x280: 100.0, 0x2C0: 440.0}
