"""The declarations of the CLAP 1.x headers (MIT) that the host uses, for cffi."""

CLAP = """
typedef struct { uint32_t major, minor, revision; } clap_version;
typedef struct clap_host {
  clap_version version;
  void* host_data;
  const char *name, *vendor, *url, *host_version;
  const void* (*get_extension)(const struct clap_host*, const char* id);
  void (*request_restart)(const struct clap_host*);
  void (*request_process)(const struct clap_host*);
  void (*request_callback)(const struct clap_host*);
} clap_host;
typedef struct {
  clap_version version;
  const char *id, *name, *vendor, *url, *manual_url, *support_url, *plugin_version, *description;
  const char** features;
} clap_descriptor;

typedef struct { uint32_t size, time; uint16_t space, type; uint32_t flags; } clap_event_header;
typedef struct {
  clap_event_header header;
  int32_t note_id; int16_t port_index, channel, key;
  double velocity;
} clap_event_note;
typedef struct { clap_event_header header; uint16_t port_index; uint8_t data[3]; } clap_event_midi;
typedef struct {
  clap_event_header header;
  uint32_t param_id; void* cookie;
  int32_t note_id; int16_t port_index, channel, key;
  double value;
} clap_event_param_value;
typedef struct clap_input_events {
  void* ctx;
  uint32_t (*size)(const struct clap_input_events*);
  const clap_event_header* (*get)(const struct clap_input_events*, uint32_t);
} clap_input_events;
typedef struct clap_output_events {
  void* ctx;
  bool (*try_push)(const struct clap_output_events*, const clap_event_header*);
} clap_output_events;

typedef struct {
  float** data32; double** data64;
  uint32_t channel_count, latency;
  uint64_t constant_mask;
} clap_audio_buffer;
typedef struct {
  int64_t steady_time;
  uint32_t frames_count;
  const void* transport;
  const clap_audio_buffer* audio_inputs;
  clap_audio_buffer* audio_outputs;
  uint32_t audio_inputs_count, audio_outputs_count;
  const clap_input_events* in_events;
  const clap_output_events* out_events;
} clap_process;
typedef struct clap_plugin {
  const clap_descriptor* desc;
  void* plugin_data;
  bool (*init)(const struct clap_plugin*);
  void (*destroy)(const struct clap_plugin*);
  bool (*activate)(const struct clap_plugin*, double rate, uint32_t least, uint32_t most);
  void (*deactivate)(const struct clap_plugin*);
  bool (*start_processing)(const struct clap_plugin*);
  void (*stop_processing)(const struct clap_plugin*);
  void (*reset)(const struct clap_plugin*);
  int32_t (*process)(const struct clap_plugin*, const clap_process*);
  const void* (*get_extension)(const struct clap_plugin*, const char*);
  void (*on_main_thread)(const struct clap_plugin*);
} clap_plugin;

typedef struct clap_factory {
  uint32_t (*count)(const struct clap_factory*);
  const clap_descriptor* (*descriptor)(const struct clap_factory*, uint32_t);
  const clap_plugin* (*create)(const struct clap_factory*, const clap_host*, const char* id);
} clap_factory;
typedef struct {
  clap_version version;
  bool (*init)(const char* path);
  void (*deinit)(void);
  const void* (*get_factory)(const char* id);
} clap_entry_t;
extern clap_entry_t clap_entry;  /* const there, which cffi takes for a number */

/* What a plug-in may offer. */
typedef struct {
  uint32_t id, flags; void* cookie;
  char name[256]; char module[1024];
  double least, most, initial;
} clap_param_info;
typedef struct {
  uint32_t (*count)(const clap_plugin*);
  bool (*get_info)(const clap_plugin*, uint32_t, clap_param_info*);
  bool (*get_value)(const clap_plugin*, uint32_t id, double*);
  bool (*value_to_text)(const clap_plugin*, uint32_t id, double, char*, uint32_t);
  bool (*text_to_value)(const clap_plugin*, uint32_t id, const char*, double*);
  void (*flush)(const clap_plugin*, const clap_input_events*, const clap_output_events*);
} clap_plugin_params;
typedef struct {
  uint32_t id; char name[256]; uint32_t flags, channel_count; const char* port_type;
  uint32_t in_place_pair;
} clap_audio_port_info;
typedef struct {
  uint32_t (*count)(const clap_plugin*, bool is_input);
  bool (*get)(const clap_plugin*, uint32_t, bool is_input, clap_audio_port_info*);
} clap_plugin_audio_ports;
typedef struct { uint32_t id, dialects, preferred; char name[256]; } clap_note_port_info;
typedef struct {
  uint32_t (*count)(const clap_plugin*, bool is_input);
  bool (*get)(const clap_plugin*, uint32_t, bool is_input, clap_note_port_info*);
} clap_plugin_note_ports;
typedef struct { uint32_t (*get)(const clap_plugin*); } clap_plugin_latency;

/* What the host offers: a plug-in may call these without looking whether they are there. */
typedef struct { void (*changed)(const clap_host*); } clap_host_latency;
typedef struct {
  void (*rescan)(const clap_host*, uint32_t);
  void (*clear)(const clap_host*, uint32_t, uint32_t);
  void (*request_flush)(const clap_host*);
} clap_host_params;
typedef struct { void (*log)(const clap_host*, int32_t severity, const char*); } clap_host_log;
typedef struct {
  bool (*is_main_thread)(const clap_host*);
  bool (*is_audio_thread)(const clap_host*);
} clap_host_thread_check;
typedef struct { void (*mark_dirty)(const clap_host*); } clap_host_state;
typedef struct {
  bool (*is_rescan_flag_supported)(const clap_host*, uint32_t);
  void (*rescan)(const clap_host*, uint32_t);
} clap_host_audio_ports;
typedef struct {
  uint32_t (*supported_dialects)(const clap_host*);
  void (*rescan)(const clap_host*, uint32_t);
} clap_host_note_ports;
"""

# Events and their flags, kinds of ports and parameters.
NOTE_ON, NOTE_OFF, PARAM_VALUE, MIDI = 0, 1, 5, 10
STEPPED, HIDDEN, READ_ONLY, BYPASS, ENUM = 1, 4, 8, 16, 1 << 16
MAIN_PORT = 1
NOTES_CLAP, NOTES_MIDI = 1, 2
