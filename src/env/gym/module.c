/* sac_gym.so: Gymnasium's environments behind sac's interface. What is done is in bridge.py, which this file starts and
 * calls; the arrays lie in a block of memory that both see. Python's limited API of 3.11: any later one will do. */
#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <fenv.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sac/env.h>

#include "env/gym/gym.h"
#include "util/embedded.h"

#define EXPORT __attribute__((visibility("default")))
#define TEXT_MAX 3500 /* of an error: a traceback */

static PyObject* bridge; /* the module made of bridge.py */

typedef struct gym {
  PyObject* envs;   /* bridge.Envs */
  Py_buffer memory; /* of its arrays */
  int32_t n, obs_size, action_size;
  float *obs, *action, *reward, *low, *high, *info;
  uint64_t* seed;
  uint8_t *mask, *terminated, *truncated;
  size_t terms; /* of info */
  const char* term[SAC_ENV_INFO_MAX + 1];
  char names[SAC_ENV_INFO_MAX][SAC_ENV_INFO_NAME_MAX];
  char error[TEXT_MAX];
} gym;

/* The calling thread holds Python's lock between the two. Libraries that Python loads may change how floats are rounded
 * or flushed to zero: for the rest of sac that is undone. */
typedef struct held {
  PyGILState_STATE state;
  fenv_t floats;
} held;

static held enter(void) {
  static _Thread_local int known;
  held h;
  (void)fegetenv(&h.floats);
  /* A thread that Python did not start would be new to it in each call, and lose what it keeps for a thread: one hold
   * that is never released makes it stay the same. */
  if (!known && !PyGILState_GetThisThreadState()) {
    (void)PyGILState_Ensure();
    (void)PyEval_SaveThread();
  }
  known = 1;
  h.state = PyGILState_Ensure();
  return h;
}

static void leave(const held* h) {
  PyGILState_Release(h->state);
  (void)fesetenv(&h->floats);
}

/* The text of a str, at most size - 1 bytes of it. */
static void take_text(PyObject* text, char* to, size_t size) {
  Py_ssize_t length = 0;
  const char* bytes = PyUnicode_Check(text) ? PyUnicode_AsUTF8AndSize(text, &length) : NULL;
  if (!bytes) PyErr_Clear();
  (void)snprintf(to, size, "%s", bytes ? bytes : "an error that has no text");
}

/* An exception that bridge.py did not expect: of itself, or of want of memory. */
static void take_exception(char* to, size_t size) {
  PyObject *type = NULL, *value = NULL, *trace = NULL;
  PyErr_Fetch(&type, &value, &trace);
  PyObject* text = value ? PyObject_Str(value) : NULL;
  if (text) take_text(text, to, size);
  else (void)snprintf(to, size, "Python failed without a reason");
  Py_XDECREF(text);
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(trace);
  PyErr_Clear();
}

/* --- start -------------------------------------------------------------------------------------------------------- */

/* Runs a file's text in the names of `dict`. 0 for success; otherwise Python has an exception. */
static int run_text(const char* source, PyObject* dict) {
  PyObject* code = Py_CompileString(source, "<sac>", Py_file_input);
  PyObject* done = code ? PyEval_EvalCode(code, dict, dict) : NULL;
  const int failed = !done;
  Py_XDECREF(code);
  Py_XDECREF(done);
  return failed;
}

/* own: the interpreter is ours alone, to be set up as sac needs it. bridge.py is the first of the embedded files and
 * what worker processes get, too; the others add to its names. */
static int run_bridge(int own, char* error, size_t size) {
  PyObject *module = PyModule_New("sac_gym"), *text = NULL;
  PyObject* dict = module ? PyModule_GetDict(module) : NULL;
  if (!dict) goto fail;
  text = PyUnicode_FromString(sac_embedded_gyms[0].text);
  if (!text || PyDict_SetItemString(dict, "SOURCE", text) != 0 ||
      PyDict_SetItemString(dict, "OWN", own ? Py_True : Py_False) != 0 ||
      PyDict_SetItemString(dict, "__builtins__", PyEval_GetBuiltins()) != 0)
    goto fail;
  for (size_t i = 0; i < sac_embedded_gym_count; i++)
    if (run_text(sac_embedded_gyms[i].text, dict) != 0) goto fail;
  bridge = module;
  module = NULL;
fail:
  if (!bridge) take_exception(error, size);
  Py_XDECREF(module);
  Py_XDECREF(text);
  return bridge ? 0 : 1;
}

EXPORT int sac_gym_start(const char* python, char* error, size_t size);
EXPORT int sac_gym_start(const char* python, char* error, size_t size) {
  static wchar_t program[4096]; /* Python keeps the pointer */
  int failed;
  if (Py_IsInitialized()) { /* in another's Python */
    const held h = enter();
    failed = run_bridge(0, error, size);
    leave(&h);
    return failed;
  }
  fenv_t floats;
  (void)fegetenv(&floats);
  char* locale = setlocale(LC_ALL, NULL);
  locale = locale ? strdup(locale) : NULL;
  const size_t length = mbstowcs(program, python, sizeof program / sizeof *program - 1);
  if (length == (size_t)-1) /* not of this locale: byte by byte, as Python itself reads such names */
    for (size_t i = 0; i < sizeof program / sizeof *program - 1 && (program[i] = (unsigned char)python[i]); i++)
      if (program[i] >= 0x80) program[i] += 0xdc00;
  Py_SetProgramName(program); /* what replaces it is outside the limited API */
  Py_InitializeEx(0);
  if (locale) (void)setlocale(LC_ALL, locale);
  free(locale);
  failed = run_bridge(1, error, size);
  (void)PyEval_SaveThread(); /* whoever calls next takes the lock */
  (void)fesetenv(&floats);
  return failed;
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

/* A method that returns None, or a str: what went wrong. */
static int call(gym* g, const char* method) {
  const held h = enter();
  int failed = 1;
  PyObject* result = PyObject_CallMethod(g->envs, method, NULL);
  if (!result) take_exception(g->error, sizeof g->error);
  else if (result == Py_None) failed = 0;
  else take_text(result, g->error, sizeof g->error);
  Py_XDECREF(result);
  leave(&h);
  return failed;
}

/* The terms of info, a list of str. */
static int take_terms(gym* g, PyObject* terms) {
  const Py_ssize_t count = PyList_Size(terms);
  if (count < 0) return 1;
  for (; (Py_ssize_t)g->terms < count && g->terms < SAC_ENV_INFO_MAX; g->terms++) {
    PyObject* name = PyList_GetItem(terms, (Py_ssize_t)g->terms);
    if (!name) return 1;
    take_text(name, g->names[g->terms], sizeof g->names[0]);
    g->term[g->terms] = g->names[g->terms];
  }
  return 0;
}

/* Where the arrays lie: bridge.py says the offsets. */
static int find_arrays(gym* g, PyObject* spec, sac_env_spec* out) {
  Py_ssize_t at[10];
  PyObject *block = NULL, *terms = NULL;
  if (!PyArg_ParseTuple(spec, "iiiiO(nnnnnnnnnn)O", &out->obs_size, &out->action_size, &out->actions,
                        &out->max_episode_steps, &block, &at[0], &at[1], &at[2], &at[3], &at[4], &at[5], &at[6], &at[7],
                        &at[8], &at[9], &terms) ||
      take_terms(g, terms) != 0 || PyObject_GetBuffer(block, &g->memory, PyBUF_WRITABLE) != 0)
    return 1;
  char* base = g->memory.buf;
  g->seed = (uint64_t*)(void*)(base + at[0]);
  g->obs = (float*)(void*)(base + at[1]);
  g->action = (float*)(void*)(base + at[2]);
  g->reward = (float*)(void*)(base + at[3]);
  g->low = (float*)(void*)(base + at[4]);
  g->high = (float*)(void*)(base + at[5]);
  g->mask = (uint8_t*)base + at[6];
  g->terminated = (uint8_t*)base + at[7];
  g->truncated = (uint8_t*)base + at[8];
  g->info = (float*)(void*)(base + at[9]);
  g->obs_size = out->obs_size;
  g->action_size = out->action_size;
  if (out->actions == 0) {
    out->action_low = g->low;
    out->action_high = g->high;
  }
  return 0;
}

static int create(void** self, const char* id, int32_t n, const char* options, sac_env_spec* spec) {
  gym* g = calloc(1, sizeof *g);
  int code = 1;
  if (!g) return 1;
  *self = g;
  g->n = n;
  *spec = (sac_env_spec){0};
  const held h = enter();
  PyObject *result = PyObject_CallMethod(bridge, "create", "sis", id, (int)n, options), *text = NULL, *layout = NULL;
  /* (Envs, its layout) or (code, text) */
  if (!result || !PyArg_ParseTuple(result, "OO", &layout, &text)) {
    take_exception(g->error, sizeof g->error);
  } else if (PyUnicode_Check(text)) {
    take_text(text, g->error, sizeof g->error);
    code = PyObject_IsTrue(layout) == 1 ? SAC_ERROR_CONFIG : 1;
  } else {
    g->envs = layout;
    Py_INCREF(g->envs);
    code = find_arrays(g, text, spec);
    if (code != 0) take_exception(g->error, sizeof g->error);
  }
  Py_XDECREF(result);
  leave(&h);
  return code;
}

static int reset(void* self, const uint8_t* mask, const uint64_t* seed, float* obs) {
  gym* g = self;
  const size_t n = (size_t)g->n, size = (size_t)g->obs_size;
  memcpy(g->mask, mask, n);
  memcpy(g->seed, seed, n * sizeof *seed);
  if (call(g, "reset") != 0) return 1;
  for (size_t i = 0; i < n; i++)
    if (mask[i]) memcpy(obs + i * size, g->obs + i * size, size * sizeof *obs);
  return 0;
}

static int step(void* self, const float* action, float* obs, float* reward, uint8_t* terminated, uint8_t* truncated) {
  gym* g = self;
  const size_t n = (size_t)g->n;
  memcpy(g->action, action, n * (size_t)g->action_size * sizeof *action);
  if (call(g, "step") != 0) return 1;
  memcpy(obs, g->obs, n * (size_t)g->obs_size * sizeof *obs);
  memcpy(reward, g->reward, n * sizeof *reward);
  memcpy(terminated, g->terminated, n);
  memcpy(truncated, g->truncated, n);
  return 0;
}

static void destroy(void* self) {
  gym* g = self;
  if (!g) return;
  if (g->envs) (void)call(g, "close");
  const held h = enter();
  if (g->memory.obj) PyBuffer_Release(&g->memory);
  Py_XDECREF(g->envs);
  leave(&h);
  free(g);
}

static const char* const* info_names(void* self) { return ((gym*)self)->term; }

static int info(void* self, float* value) {
  const gym* g = self;
  memcpy(value, g->info, (size_t)g->n * g->terms * sizeof *value);
  return 0;
}

static const char* error(void* self) { return ((gym*)self)->error; }

EXPORT const sac_env_api* sac_env_plugin(void);
EXPORT const sac_env_api* sac_env_plugin(void) {
  static const sac_env_api api = {.abi = SAC_ENV_ABI,
                                  .size = sizeof api,
                                  .name = "gym",
                                  .create = create,
                                  .reset = reset,
                                  .step = step,
                                  .destroy = destroy,
                                  .error = error,
                                  .info_names = info_names,
                                  .info = info};
  return &api;
}
