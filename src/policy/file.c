#include "policy/file.h"

#include <math.h>
#include <string.h>

#include "policy/header.h"

#define WIDTH_MAX 65536 /* of O, A, the number of discrete actions, and a hidden layer */

/* The bounds of log_std where the metadata has none: the defaults of policy.log_std_min and policy.log_std_max. */
#define LOG_STD_MIN (-20.0f)
#define LOG_STD_MAX 2.0f

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file is little-endian; its numbers are used unchanged");

/* --- names -------------------------------------------------------------------------------------------------------- */

/* Each tensor that a network may have has a slot: weight and bias of 16 hidden layers, and of the head. HEAD is the
 * layer number of the head, also when there are fewer hidden layers. Other tensors follow. */
enum {
  HEAD = SAC_POLICY_LAYERS_MAX - 1,
  NET_SLOTS = 2 * SAC_POLICY_LAYERS_MAX,
  CENTRE = NET_SLOTS,
  HALF_RANGE = NET_SLOTS + 1,
  LOG_ALPHA = NET_SLOTS + 2,
  SLOTS = NET_SLOTS + 3
};
#define WEIGHT(layer) (2 * (layer))
#define BIAS(layer) (2 * (layer) + 1)

enum { ACTOR = -1 }; /* in place of a critic's number */

/* Takes `word` from the front of the text, if it begins with it. */
static int take_word(sac_header_text* text, const char* word) {
  const size_t size = strlen(word);
  if (text->size < size || memcmp(text->at, word, size) != 0) return 0;
  text->at += size;
  text->size -= size;
  return 1;
}

/* Takes a number below `end`, without leading zeros, from the front of the text; -1: there is none. */
static int32_t take_number(sac_header_text* text, int32_t end) {
  int32_t number = 0;
  size_t i = 0;
  for (; i < text->size && text->at[i] >= '0' && text->at[i] <= '9'; i++) {
    if (i > 0 && number == 0) return -1;
    number = number * 10 + (text->at[i] - '0');
    if (number >= end) return -1;
  }
  text->at += i;
  text->size -= i;
  return i > 0 ? number : -1;
}

/* The slot of the tensor with this name; -1 when a policy has no such tensor. net: receives the number of its critic,
 * or ACTOR. */
static int32_t find_slot(const sac_header_text* name, int32_t* net) {
  sac_header_text rest = *name;
  *net = ACTOR;
  if (name->escaped) return -1;

  /* tensors of no network */
  if (sac_header_is(name, "action.centre")) return CENTRE;
  if (sac_header_is(name, "action.half_range")) return HALF_RANGE;
  if (sac_header_is(name, "log_alpha")) return LOG_ALPHA;

  /* the network: "actor." or "critic.K." */
  if (!take_word(&rest, "actor.")) {
    if (!take_word(&rest, "critic.")) return -1;
    *net = take_number(&rest, SAC_POLICY_CRITICS_MAX);
    if (*net < 0 || !take_word(&rest, ".")) return -1;
  }

  /* the layer: "head" or "layers.N", where N counts hidden layers from 0 */
  int32_t layer = HEAD;
  if (!take_word(&rest, "head")) {
    if (!take_word(&rest, "layers.")) return -1;
    layer = take_number(&rest, HEAD);
    if (layer < 0) return -1;
  }
  return sac_header_is(&rest, ".weight") ? WEIGHT(layer) : sac_header_is(&rest, ".bias") ? BIAS(layer) : -1;
}

/* --- metadata ----------------------------------------------------------------------------------------------------- */

/* What the header says, in any order. */
typedef struct policy_said {
  int continuous, discrete; /* 1: the format is that */
  int32_t kind, join;       /* indices of the names; -1: not said */
  int wrong;                /* 1: a value cannot be read */

  /* of the tensors */
  int actor;         /* 1: there are tensors of an actor */
  int32_t critics;   /* the largest number of a critic, and 1 */
  uint64_t bytes;    /* of all tensors */
  uint64_t scale[2]; /* dimension of action.centre and action.half_range */
  int has[SLOTS - NET_SLOTS];
} policy_said;

/* Reads the whole of a text as a decimal number: "-20", "0.5", "1e-3". Up to 15 digits and 22 places it is exact but
 * for the rounding to float. Returns 0 for other texts. No function of libc reads numbers without a locale. */
static int read_real(const sac_header_text* text, float* value) {
  sac_header_text rest = *text;
  double number = 0, power = 1;
  int32_t digits = 0, places = 0, point = 0;
  const int negative = take_word(&rest, "-");

  /* digits, with a point anywhere */
  for (; rest.size > 0 && digits < 20; rest.at++, rest.size--) {
    const char c = *rest.at;
    if (c == '.' && !point) {
      point = 1;
      continue;
    }
    if (c < '0' || c > '9') break;
    number = number * 10 + (c - '0');
    digits++;
    places += point;
  }

  /* a power of ten */
  if (take_word(&rest, "e")) {
    const int below = take_word(&rest, "-") || (take_word(&rest, "+"), 0);
    while (rest.size > 1 && *rest.at == '0') (void)take_word(&rest, "0");
    const int32_t exponent = take_number(&rest, 40);
    if (exponent < 0) return 0;
    places += below ? exponent : -exponent;
  }
  if (digits == 0 || rest.size > 0) return 0;

  /* one product or quotient */
  for (int32_t i = 0; i < places || i < -places; i++) power *= 10;
  number = places > 0 ? number / power : number * power;
  *value = (float)(negative ? -number : number);
  return isfinite(*value);
}

/* The index of the name that the text is; -1: none. */
static int32_t find_name(const sac_header_text* text, const char* const* names, int32_t count) {
  for (int32_t i = 0; i < count; i++)
    if (sac_header_is(text, names[i])) return i;
  return -1;
}

/* Takes a pair of the metadata. Other pairs than these are ignored. */
static void take_metadata(sac_policy_file* file, policy_said* said, const sac_header_entry* entry) {
  static const char *const kinds[] = SAC_POLICY_KIND_NAMES, *const joins[] = SAC_POLICY_JOIN_NAMES;
  const sac_header_text *key = &entry->name, *value = &entry->value;
  if (sac_header_is(key, "format")) {
    said->continuous = sac_header_is(value, SAC_POLICY_FORMAT_CONTINUOUS);
    said->discrete = sac_header_is(value, SAC_POLICY_FORMAT_DISCRETE);
  }
  if (sac_header_is(key, "policy")) said->kind = find_name(value, kinds, 3);
  if (sac_header_is(key, "critics_join")) said->join = find_name(value, joins, 2);
  if (sac_header_is(key, "log_std_min")) said->wrong |= !read_real(value, &file->log_std_min);
  if (sac_header_is(key, "log_std_max")) said->wrong |= !read_real(value, &file->log_std_max);
  sac_checksum_take(&file->checksum, entry);
}

/* --- tensors ------------------------------------------------------------------------------------------------------ */

/* Begins to read the header, for one pass over its entries. */
static void begin(const sac_policy_file* file, sac_header* header) {
  sac_header_begin(header, (const char*)file->bytes + 8, file->json_size, file->data_size);
}

/* Finds the next tensor of the header; 0 after the last. */
static int next_tensor(sac_header* header, sac_header_entry* entry) {
  sac_header_kind kind;
  do kind = sac_header_next(header, entry);
  while (kind == SAC_HEADER_METADATA);
  return kind == SAC_HEADER_TENSOR;
}

/* Takes a tensor that is no part of a network. A squashed Gaussian has (A) of each scaling, Boltzmann a number. */
static int take_single(sac_policy_file* file, policy_said* said, const sac_header_entry* entry, int32_t slot) {
  if (said->has[slot - NET_SLOTS]++ > 0 || entry->rank != (slot == LOG_ALPHA ? 0 : 1)) return 0;
  if (slot == LOG_ALPHA) file->log_alpha = entry->begin;
  else *(slot == CENTRE ? &file->centre : &file->half_range) = entry->begin;
  if (slot != LOG_ALPHA) said->scale[slot - CENTRE] = (uint64_t)entry->dims[0];
  return 1;
}

/* The first pass: the metadata, and the kinds of tensors. 0 when the header is damaged, or has a tensor that no policy
 * has. */
static int read_all(sac_policy_file* file, policy_said* said) {
  sac_header header;
  sac_header_entry entry;
  sac_header_kind kind;
  begin(file, &header);
  while ((kind = sac_header_next(&header, &entry)) > SAC_HEADER_END) {
    if (kind == SAC_HEADER_METADATA) {
      take_metadata(file, said, &entry);
      continue;
    }

    /* a tensor that is unknown or not F32 is an error */
    int32_t net;
    const int32_t slot = find_slot(&entry.name, &net);
    if (slot < 0 || !sac_header_is(&entry.dtype, "F32")) return 0;
    said->bytes += entry.end - entry.begin;
    if (slot >= NET_SLOTS) {
      if (!take_single(file, said, &entry, slot)) return 0;
    } else if (net == ACTOR) said->actor = 1;
    else if (net >= said->critics) said->critics = net + 1;
  }
  return kind == SAC_HEADER_END;
}

/* Takes the kind from what the header says, and checks that the file has the tensors of that kind and no others. */
static int read_kind(sac_policy_file* file, const policy_said* said) {
  const int scaled = said->has[CENTRE - NET_SLOTS] && said->has[HALF_RANGE - NET_SLOTS];
  const int scales = said->has[CENTRE - NET_SLOTS] || said->has[HALF_RANGE - NET_SLOTS];
  const int alpha = said->has[LOG_ALPHA - NET_SLOTS];
  if (said->wrong || !(said->continuous || said->discrete)) return 0;
  file->nets = 1;

  /* the format of continuous actions is that of one kind; written before there were others, it need not say it */
  if (said->continuous) {
    file->kind = SAC_POLICY_SQUASHED_GAUSSIAN;
    return (said->kind <= 0) && scaled && !alpha && said->critics == 0 && file->log_std_min <= file->log_std_max;
  }

  /* an actor, or critics with a rule to join them, and a temperature */
  if (said->kind < SAC_POLICY_SOFTMAX) return 0;
  file->kind = (sac_policy_kind)said->kind;
  if (file->kind == SAC_POLICY_SOFTMAX) return !scales && !alpha && said->critics == 0;
  file->nets = said->critics;
  file->mean = said->join;
  return !scales && alpha && !said->actor && said->critics > 0 && said->join >= 0;
}

typedef struct policy_tensor {
  int present;
  int32_t rank;
  int64_t dims[2];
  uint64_t begin;
} policy_tensor;

/* Fills the slots of network `number`; 0 when a tensor is there twice. */
static int read_slots(const sac_policy_file* file, int32_t number, policy_tensor slot[NET_SLOTS]) {
  const int32_t wanted = file->kind == SAC_POLICY_BOLTZMANN ? number : ACTOR;
  sac_header header;
  sac_header_entry entry;
  memset(slot, 0, NET_SLOTS * sizeof *slot);
  begin(file, &header);
  while (next_tensor(&header, &entry)) {
    int32_t net;
    const int32_t at = find_slot(&entry.name, &net);
    if (at < 0 || at >= NET_SLOTS || net != wanted) continue;
    if (slot[at].present) return 0;
    slot[at] = (policy_tensor){1, entry.rank, {entry.dims[0], entry.dims[1]}, entry.begin};
  }
  return 1;
}

static int has_shape(const policy_tensor* tensor, int32_t rank, int64_t rows, int64_t columns) {
  return tensor->present && tensor->rank == rank && tensor->dims[0] == rows && (rank < 2 || tensor->dims[1] == columns);
}

/* Takes the sizes of a network's layers from the shapes of their tensors; 0 when the shapes do not fit together. size
 * as in sac_policy_file. */
static int read_shapes(const policy_tensor* slot, sac_policy_kind kind, int32_t* layers, int32_t* size) {
  /* Count the hidden layers. Their numbers must have no gap. */
  int32_t hidden = 0;
  while (hidden < HEAD && slot[WEIGHT(hidden)].present) hidden++;
  for (int32_t l = hidden; l < HEAD; l++)
    if (slot[WEIGHT(l)].present || slot[BIAS(l)].present) return 0;
  *layers = hidden + 1;

  /* check each layer: a weight (out, in) and a bias (out), of sizes within the limits */
  for (int32_t l = 0; l < *layers; l++) {
    const int32_t number = l < hidden ? l : HEAD;
    const policy_tensor* weight = &slot[WEIGHT(number)];
    if (!weight->present || weight->rank != 2) return 0;
    const int64_t out = weight->dims[0], in = weight->dims[1];
    if (in < 1 || in > WIDTH_MAX || out < 1 || out > 2 * WIDTH_MAX || !has_shape(&slot[BIAS(number)], 1, out, 0))
      return 0;

    /* The inputs of a layer are the outputs of the layer before it. The first layer sets O. */
    if (l == 0) size[0] = (int32_t)in;
    if (in != size[l]) return 0;

    /* the outputs of a squashed Gaussian's head are A means, then A log_stds */
    const int pairs = l == hidden && kind == SAC_POLICY_SQUASHED_GAUSSIAN;
    if (pairs && out % 2 != 0) return 0;
    size[l + 1] = (int32_t)(pairs ? out / 2 : out);
    if (size[l + 1] > WIDTH_MAX) return 0;
  }
  return 1;
}

/* Checks the networks, all of which have the same sizes. */
static int read_nets(sac_policy_file* file) {
  for (int32_t k = 0; k < file->nets; k++) {
    policy_tensor slot[NET_SLOTS];
    int32_t layers, size[SAC_POLICY_LAYERS_MAX + 1];
    if (!read_slots(file, k, slot) || !read_shapes(slot, file->kind, &layers, size)) return 0;

    /* the first sets the sizes */
    if (k == 0) {
      file->layers = layers;
      memcpy(file->size, size, sizeof size);
    }
    if (layers != file->layers || memcmp(size, file->size, (size_t)(layers + 1) * sizeof *size) != 0) return 0;
  }
  return 1;
}

/* Whether every byte of the data belongs to exactly one tensor. No tensor is empty, so it is enough that each begins
 * where another ends, from the first byte to the last, and that their sizes add up to the size of the data. In most
 * files the tensors are in order, which takes one pass. */
static int data_covered(const sac_policy_file* file, uint64_t bytes) {
  uint64_t end = 0, before;
  do {
    sac_header header;
    sac_header_entry entry;
    before = end;
    begin(file, &header);
    while (next_tensor(&header, &entry))
      if (entry.begin == end) end = entry.end;
  } while (end > before && end < file->data_size);
  return end == file->data_size && bytes == file->data_size;
}

int sac_policy_file_read(sac_policy_file* file, const void* bytes, size_t size) {
  policy_said said = {.kind = -1, .join = -1};
  uint64_t json;
  memset(file, 0, sizeof *file);
  file->log_std_min = LOG_STD_MIN;
  file->log_std_max = LOG_STD_MAX;

  /* the layout: 8 bytes with the size of the header, the header, the data */
  if (!bytes || sac_header_size(bytes, size, &json) != NULL) return 0;
  file->bytes = bytes;
  file->bytes_size = size;
  file->json_size = (size_t)json;
  file->data = file->bytes + 8 + json;
  file->data_size = size - 8 - json;

  /* the header, the networks, and the scaling of the action */
  if (!read_all(file, &said) || !read_kind(file, &said) || !read_nets(file)) return 0;
  const uint64_t action = (uint64_t)file->size[file->layers];
  if (said.continuous && (said.scale[0] != action || said.scale[1] != action)) return 0;
  return data_covered(file, said.bytes);
}

void sac_policy_file_net(const sac_policy_file* file, int32_t number, sac_policy_places* places) {
  policy_tensor slot[NET_SLOTS];
  (void)read_slots(file, number, slot);
  for (int32_t l = 0; l < file->layers; l++) {
    const int32_t layer = l + 1 < file->layers ? l : HEAD;
    places->weight[l] = slot[WEIGHT(layer)].begin;
    places->bias[l] = slot[BIAS(layer)].begin;
  }
}

/* --- values ------------------------------------------------------------------------------------------------------- */

int sac_policy_file_intact(const sac_policy_file* file) {
  char digits[SAC_CHECKSUM_DIGITS + 1];
  return sac_checksum_fits(file->bytes, file->bytes_size, &file->checksum, sac_crc32c_small, digits);
}

float sac_policy_file_float(const sac_policy_file* file, uint64_t offset) {
  float x;
  memcpy(&x, file->data + offset, sizeof x);
  return x;
}

int sac_policy_file_finite(const sac_policy_file* file) {
  /* all tensors are F32, so the data is one array of floats */
  for (uint64_t i = 0; i + sizeof(float) <= file->data_size; i += sizeof(float))
    if (!isfinite(sac_policy_file_float(file, i))) return 0;

  /* the bounds: centre plus and minus half range */
  const int scaled = file->kind == SAC_POLICY_SQUASHED_GAUSSIAN;
  for (uint64_t i = 0; scaled && i < (uint64_t)file->size[file->layers] * sizeof(float); i += sizeof(float)) {
    const float centre = sac_policy_file_float(file, file->centre + i);
    const float half = sac_policy_file_float(file, file->half_range + i);
    if (!isfinite(centre - half) || !isfinite(centre + half)) return 0;
  }
  return 1;
}
