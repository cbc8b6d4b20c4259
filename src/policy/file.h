/* Reading a policy file (src/agent/export.h): its kind, its sizes, and where its numbers are. Needs no memory but the
 * stack, so the header of the file is read once for each network. */
#ifndef SAC_POLICY_FILE_H
#define SAC_POLICY_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "policy/checksum.h"
#include "policy/policy.h"

typedef struct sac_policy_file {
  const unsigned char* bytes; /* (bytes_size) the whole file */
  size_t bytes_size;
  size_t json_size;          /* of the header, which begins at byte 8 */
  const unsigned char* data; /* (data_size) floats, at any address */
  uint64_t data_size;
  sac_checksum_entries checksum;

  sac_policy_kind kind;
  int32_t nets;                            /* K critics, or 1: the actor */
  int32_t layers;                          /* of each network, with the head */
  int32_t size[SAC_POLICY_LAYERS_MAX + 1]; /* O, hidden widths, then A or the number of discrete actions */

  /* squashed Gaussian: bounds of log_std, and offsets of the scaling's tensors in the data */
  float log_std_min, log_std_max;
  uint64_t centre, half_range;

  /* Boltzmann */
  int mean; /* 1: critics are joined by their mean; 0: by their minimum */
  uint64_t log_alpha;
} sac_policy_file;

/* Where the layers of a network are: offsets in the data. */
typedef struct sac_policy_places {
  uint64_t weight[SAC_POLICY_LAYERS_MAX]; /* (layers) of a (out, in) tensor; the head is the last */
  uint64_t bias[SAC_POLICY_LAYERS_MAX];
} sac_policy_places;

/* Reads and checks everything except the values of the numbers; 0 when it is no policy file, or a wrong one. */
int sac_policy_file_read(sac_policy_file* file, const void* bytes, size_t size);

/* Finds the layers of network `number` of a file that was read. */
void sac_policy_file_net(const sac_policy_file* file, int32_t number, sac_policy_places* places);

/* Whether the bytes fit the checksum, if the file has one. */
int sac_policy_file_intact(const sac_policy_file* file);

/* Whether all values are finite, and the bounds of the action too. */
int sac_policy_file_finite(const sac_policy_file* file);

/* The float at byte `offset` of the data. */
float sac_policy_file_float(const sac_policy_file* file, uint64_t offset);

#endif
