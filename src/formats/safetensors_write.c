/* Writing safetensors files. */
#include <stdio.h>
#include <string.h>

#include "formats/safetensors.h"
#include "policy/checksum.h"
#include "policy/header.h"
#include "util/error.h"
#include "util/utf8.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian; data is written unchanged");

/* Takes the header's text. The header is made twice: first to count its bytes, then to write them. */
typedef struct header_out {
  sac_file* file;    /* NULL: only count the bytes */
  uint64_t size;     /* bytes so far */
  uint64_t digits;   /* where the digits of the checksum begin, in bytes of the header */
  sac_status status; /* the first error; nothing is written after it */
} header_out;

static void emit(header_out* out, const char* text, size_t length) {
  out->size += length;
  if (out->file && out->status == SAC_OK) out->status = sac_file_put(out->file, text, length);
}

/* Emits a text as a JSON string: quoted, escaped, and valid UTF-8. */
static void emit_quoted(header_out* out, const char* text) {
  emit(out, "\"", 1);

  /* Go character by character. Escape control characters, quotes and backslashes. */
  for (size_t left = strlen(text), length; left > 0; left -= length, text += length) {
    char escaped[8];
    length = sac_utf8_length(text, left);
    if (length == 0) { /* not UTF-8: emit U+FFFD, the replacement character */
      emit(out, "\xEF\xBF\xBD", 3);
      length = 1;
    } else if (*text == '\n') {
      emit(out, "\\n", 2);
    } else if ((unsigned char)*text < 0x20) {
      (void)snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)*text);
      emit(out, escaped, 6);
    } else {
      /* any other character stays, with a backslash before a quote or a backslash */
      if (*text == '"' || *text == '\\') emit(out, "\\", 1);
      emit(out, text, length);
    }
  }
  emit(out, "\"", 1);
}

static void emit_number(header_out* out, uint64_t number) {
  char text[24];
  emit(out, text, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)number));
}

/* Emits JSON text without quoting or escaping. */
static void emit_string(header_out* out, const char* json) { emit(out, json, strlen(json)); }

/* A loop over the source's tensors in the order of the file: tensors of 8-byte elements, then of 4-byte elements, then
 * of bytes, so that each tensor is aligned. */
#define EACH_IN_FILE_ORDER(source, i, tensor)                                               \
  for (size_t element = 8; element >= 1; element = element == 8 ? 4 : element == 4 ? 1 : 0) \
    for (int32_t i = 0; i < (source)->count; i++)                                           \
      if ((source)->describe((source)->user, i, &(tensor)), sac_dtype_size((tensor).dtype) == element)

/* {"crc32c":"00000000","KEY":"VALUE",...,"checksum":"crc32c"}: the checksum is known when the whole file has been
 * written */
static void emit_metadata(header_out* out, const sac_metadata* metadata, int32_t count) {
  emit_string(out, "{\"" SAC_CHECKSUM_KEY "\":\"");
  out->digits = out->size;
  emit_string(out, SAC_CHECKSUM_BLANK "\"");

  /* the caller's pairs */
  for (int32_t i = 0; i < count; i++) {
    emit_string(out, ",");
    emit_quoted(out, metadata[i].key);
    emit_string(out, ":");
    emit_quoted(out, metadata[i].value);
  }

  /* last, and so far from the checksum that no small damage takes both */
  emit_string(out, ",\"" SAC_CHECKSUM_PROMISE "\":\"" SAC_CHECKSUM_KEY "\"}");
}

/* "NAME":{"dtype":...,"shape":...,"data_offsets":...}; `offset` is where the tensor's data begins. */
static void emit_tensor(header_out* out, const sac_file_tensor* tensor, uint64_t offset) {
  /* name and dtype: "actor.head.bias":{"dtype":"F32" */
  emit_quoted(out, tensor->name);
  emit_string(out, ":{\"dtype\":\"");
  emit_string(out, sac_dtype_name(tensor->dtype));

  /* dimensions: "shape":[12] */
  emit_string(out, "\",\"shape\":[");
  for (int32_t d = 0; d < tensor->rank; d++) {
    if (d > 0) emit_string(out, ",");
    emit_number(out, (uint64_t)tensor->dims[d]);
  }

  /* first byte of the data, and the byte behind the last: "data_offsets":[0,48] */
  emit_string(out, "],\"data_offsets\":[");
  emit_number(out, offset);
  emit_string(out, ",");
  emit_number(out, offset + tensor->bytes);
  emit_string(out, "]}");
}

static void emit_header(header_out* out, const sac_tensor_source* source, const sac_metadata* metadata,
                        int32_t metadata_count) {
  uint64_t offset = 0;
  sac_file_tensor tensor;

  /* the metadata is the first entry */
  emit_string(out, "{\"__metadata__\":");
  emit_metadata(out, metadata, metadata_count);

  /* The tensors, in the order of their data. `offset` is the byte at which the next tensor begins. */
  EACH_IN_FILE_ORDER(source, i, tensor) {
    emit_string(out, ",");
    emit_tensor(out, &tensor, offset);
    offset += tensor.bytes;
  }
  emit_string(out, "}");

  /* pad with blanks, so that the data begins at a multiple of 8 */
  while (out->size % 8 != 0) emit_string(out, " ");
}

sac_status sac_safetensors_stream(const char* path, const sac_tensor_source* source, const sac_metadata* metadata,
                                  int32_t metadata_count) {
  sac_status status = SAC_OK;
  header_out count = {NULL, 0, 0, SAC_OK};
  char digits[SAC_CHECKSUM_DIGITS + 1];
  sac_file_tensor tensor;
  sac_file file;
  file.fd = -1;

  /* count the bytes of the header: its size is written before it */
  emit_header(&count, source, metadata, metadata_count);
  if (count.size > SAC_HEADER_MAX)
    return sac_fail(SAC_ERROR_FILE, "%s: header of %llu bytes, %u are the most", path, (unsigned long long)count.size,
                    SAC_HEADER_MAX);

  /* begin the file with the size of the header, 8 bytes in little-endian order */
  SAC_TRY(sac_file_begin(&file, path));
  unsigned char size[8];
  for (int i = 0; i < 8; i++) size[i] = (unsigned char)(count.size >> 8 * i);
  SAC_TRY(sac_file_put(&file, size, sizeof size));

  /* make the header again, now into the file */
  header_out out = {&file, 0, 0, SAC_OK};
  emit_header(&out, source, metadata, metadata_count);
  SAC_TRY(out.status);

  /* Write the data. A tensor with too many or too few bytes would shift the data of all later tensors. */
  EACH_IN_FILE_ORDER(source, i, tensor) {
    const uint64_t end = file.size + tensor.bytes;
    SAC_TRY(source->write(source->user, i, &file));
    if (file.size != end) {
      status =
          sac_fail(SAC_ERROR_ARGUMENT, "%s: tensor %s wrote other than its %zu bytes", path, tensor.name, tensor.bytes);
      goto fail;
    }
  }

  /* write the checksum in place of its zeros, behind the 8 bytes of the size */
  sac_checksum_digits(file.crc, digits);
  SAC_TRY(sac_file_replace(&file, 8 + out.digits, digits, SAC_CHECKSUM_DIGITS));

  /* Give the file its name. After that, sac_file_abandon does nothing. */
  SAC_TRY(sac_file_commit(&file));
fail:
  sac_file_abandon(&file);
  return status;
}

/* The source behind sac_safetensors_write: a list of tensors that are in memory. */
typedef struct tensor_list {
  const sac_file_tensor* tensors;
} tensor_list;

static void describe_listed(void* user, int32_t i, sac_file_tensor* tensor) {
  *tensor = ((tensor_list*)user)->tensors[i];
}

static sac_status write_listed(void* user, int32_t i, sac_file* file) {
  const sac_file_tensor* tensor = &((tensor_list*)user)->tensors[i];
  return sac_file_put(file, tensor->data, tensor->bytes);
}

sac_status sac_safetensors_write(const char* path, const sac_file_tensor* tensors, int32_t count,
                                 const sac_metadata* metadata, int32_t metadata_count) {
  /* the offsets of the file are sums of `bytes`, so `bytes` must agree with the shapes */
  for (int32_t i = 0; i < count; i++)
    if (tensors[i].bytes != sac_tensor_bytes(&tensors[i]))
      return sac_fail(SAC_ERROR_ARGUMENT, "%s: tensor %s has %zu bytes, its shape %zu", path, tensors[i].name,
                      tensors[i].bytes, sac_tensor_bytes(&tensors[i]));

  /* write the list as a source */
  tensor_list all = {tensors};
  const sac_tensor_source source = {&all, count, describe_listed, write_listed};
  return sac_safetensors_stream(path, &source, metadata, metadata_count);
}
