"""What the LV2 host uses of liblilv-0 (lilv.h, ISC) and of the LV2 headers (ISC), for cffi."""

LILV = """
typedef void LilvWorld; typedef void LilvPlugin; typedef void LilvPlugins; typedef void LilvNode;
typedef void LilvNodes; typedef void LilvIter; typedef void LilvPort; typedef void LilvState;
typedef void LilvScalePoints; typedef void LilvScalePoint;

LilvWorld* lilv_world_new(void);
void lilv_world_free(LilvWorld* world);
void lilv_world_set_option(LilvWorld* world, const char* uri, const LilvNode* value);
void lilv_world_load_all(LilvWorld* world);
const LilvPlugins* lilv_world_get_all_plugins(const LilvWorld* world);
LilvNodes* lilv_world_find_nodes(LilvWorld*, const LilvNode* subject, const LilvNode* predicate,
                                 const LilvNode* object);
void lilv_free(void*);
LilvNode* lilv_new_uri(LilvWorld*, const char* uri);
LilvNode* lilv_new_string(LilvWorld*, const char* text);
void lilv_node_free(LilvNode*);
bool lilv_node_is_uri(const LilvNode*);
bool lilv_node_is_blank(const LilvNode*);
const char* lilv_node_as_string(const LilvNode*);
const char* lilv_node_as_uri(const LilvNode*);
float lilv_node_as_float(const LilvNode*);
char* lilv_node_get_path(const LilvNode*, char** hostname);

LilvIter* lilv_nodes_begin(const LilvNodes*);
LilvIter* lilv_nodes_next(const LilvNodes*, LilvIter*);
bool lilv_nodes_is_end(const LilvNodes*, LilvIter*);
const LilvNode* lilv_nodes_get(const LilvNodes*, LilvIter*);
void lilv_nodes_free(LilvNodes*);

LilvIter* lilv_plugins_begin(const LilvPlugins*);
LilvIter* lilv_plugins_next(const LilvPlugins*, LilvIter*);
bool lilv_plugins_is_end(const LilvPlugins*, LilvIter*);
const LilvPlugin* lilv_plugins_get(const LilvPlugins*, LilvIter*);
const LilvPlugin* lilv_plugins_get_by_uri(const LilvPlugins*, const LilvNode* uri);

const LilvNode* lilv_plugin_get_uri(const LilvPlugin*);
const LilvNode* lilv_plugin_get_library_uri(const LilvPlugin*);
LilvNode* lilv_plugin_get_name(const LilvPlugin*);
LilvNode* lilv_plugin_get_author_name(const LilvPlugin*);
LilvNodes* lilv_plugin_get_required_features(const LilvPlugin*);
bool lilv_plugin_has_feature(const LilvPlugin*, const LilvNode*);
uint32_t lilv_plugin_get_num_ports(const LilvPlugin*);
void lilv_plugin_get_port_ranges_float(const LilvPlugin*, float*, float*, float*);
bool lilv_plugin_has_latency(const LilvPlugin*);
uint32_t lilv_plugin_get_latency_port_index(const LilvPlugin*);
const LilvPort* lilv_plugin_get_port_by_index(const LilvPlugin*, uint32_t);
LilvNode* lilv_port_get(const LilvPlugin*, const LilvPort*, const LilvNode*);
const LilvNode* lilv_port_get_symbol(const LilvPlugin*, const LilvPort*);
LilvNode* lilv_port_get_name(const LilvPlugin*, const LilvPort*);
bool lilv_port_has_property(const LilvPlugin*, const LilvPort*, const LilvNode*);
bool lilv_port_supports_event(const LilvPlugin*, const LilvPort*, const LilvNode*);
bool lilv_port_is_a(const LilvPlugin*, const LilvPort*, const LilvNode*);
LilvScalePoints* lilv_port_get_scale_points(const LilvPlugin*, const LilvPort*);
LilvIter* lilv_scale_points_begin(const LilvScalePoints*);
LilvIter* lilv_scale_points_next(const LilvScalePoints*, LilvIter*);
bool lilv_scale_points_is_end(const LilvScalePoints*, LilvIter*);
const LilvScalePoint* lilv_scale_points_get(const LilvScalePoints*, LilvIter*);
void lilv_scale_points_free(LilvScalePoints*);
const LilvNode* lilv_scale_point_get_label(const LilvScalePoint*);
const LilvNode* lilv_scale_point_get_value(const LilvScalePoint*);

typedef struct { const char* URI; void* data; } LV2_Feature;
typedef struct {
  const char* URI;
  void* (*instantiate)(const void*, double, const char*, const LV2_Feature* const*);
  void (*connect_port)(void*, uint32_t, void*);
  void (*activate)(void*);
  void (*run)(void*, uint32_t);
  void (*deactivate)(void*);
  void (*cleanup)(void*);
  const void* (*extension_data)(const char*);
} LV2_Descriptor;
typedef struct {
  const LV2_Descriptor* lv2_descriptor;
  void* lv2_handle;
  void* pimpl;
} LilvInstance;
LilvInstance* lilv_plugin_instantiate(const LilvPlugin*, double, const LV2_Feature* const*);
void lilv_instance_free(LilvInstance*);

typedef struct { void* handle; uint32_t (*map)(void*, const char*); } LV2_URID_Map;
typedef struct { void* handle; const char* (*unmap)(void*, uint32_t); } LV2_URID_Unmap;
typedef struct {
  int context; uint32_t subject; uint32_t key; uint32_t size; uint32_t type; const void* value;
} LV2_Options_Option;
typedef int (*Respond)(void*, uint32_t, const void*);
typedef struct { void* handle; int (*schedule_work)(void*, uint32_t, const void*); } Schedule;
typedef struct {
  int (*work)(void*, Respond, void*, uint32_t, const void*);
  int (*work_response)(void*, uint32_t, const void*);
  int (*end_run)(void*);
} LV2_Worker_Interface;
typedef struct {
  void* handle;
  int (*printf)(void*, uint32_t, const char*, void*);
  int (*vprintf)(void*, uint32_t, const char*, void*);
} LV2_Log_Log;
typedef struct {
  void* handle; char* (*abstract)(void*, const char*); char* (*absolute)(void*, const char*);
} LV2_State_Map_Path;
typedef struct { void* handle; void (*free_path)(void*, char*); } LV2_State_Free_Path;

LilvState* lilv_state_new_from_world(LilvWorld*, LV2_URID_Map*, const LilvNode*);
void lilv_state_restore(const LilvState*, LilvInstance*, void* set_value, void*, uint32_t,
                        const LV2_Feature* const*);
void lilv_state_free(LilvState*);

typedef struct {
  uint32_t size; uint32_t type;   /* of what follows */
  uint32_t unit; uint32_t pad;
} Sequence;
typedef struct { int64_t frames; uint32_t size; uint32_t type; uint8_t midi[8]; } MidiEvent;
"""

LIBC = "char* strdup(const char*); void free(void*);"
