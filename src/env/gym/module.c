/* sac_gym.so: Gymnasium's environments behind sac's interface. This file starts Python and calls bridge.py, which does
 * the work. Both use one block of memory, in which the arrays lie. sac_gym.so is built against Python's limited API of
 * 3.11, so that it works with every later Python. */
#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sac/env.h>

#include "env/gym/gym.h"
#include "util/embedded.h"
#include "util/floats.h"

#define EXPORT __attribute__((visibility("default")))
#define TEXT_MAX 3500 /* bytes of an error text, which may hold a traceback */

static PyObject* bridge; /* the module made of bridge.py, workers.py and record.py */

typedef struct gym {
  PyObject* envs;                                   /* Envs of bridge.py; NULL when create failed */
  Py_buffer memory;                                 /* the block, in which the arrays below lie */
  int32_t n, obs_size, action_size;                 /* N, O, A */
  float *obs, *action, *reward, *low, *high, *info; /* (N, O), (N, A), (N), (A), (A), (N, SAC_ENV_INFO_MAX) */
  uint64_t* seed;                                   /* (N) */
  uint8_t *mask, *terminated, *truncated;           /* (N) each */
  size_t terms;                                     /* of info that steps have given so far */
  const char* term[SAC_ENV_INFO_MAX + 1];           /* (terms, then NULL) the names of the terms, in `names` */
  char names[SAC_ENV_INFO_MAX][SAC_ENV_INFO_NAME_MAX];
  char* spaces; /* a JSON object: what the numbers of observation and action are; NULL: not known */
  char error[TEXT_MAX];
} gym;

/* Between enter and leave the calling thread holds Python's lock. leave also restores the float modes, which
 * libraries that Python loads may change. */
typedef struct held {
  PyGILState_STATE state;
  sac_float_modes floats;
} held;

static held enter(void) {
  static _Thread_local int known;
  held h;
  h.floats = sac_float_modes_get();

  /* Once per thread: take one hold that is never released. Python deletes its data of a foreign thread when the thread
   * releases its last hold. */
  if (!known && !PyGILState_GetThisThreadState()) {
    (void)PyGILState_Ensure();
    (void)PyEval_SaveThread();
  }

  /* the hold that leave releases */
  known = 1;
  h.state = PyGILState_Ensure();
  return h;
}

static void leave(const held* h) {
  PyGILState_Release(h->state);
  sac_float_modes_restore(&h->floats);
}

/* Copies the text of a str, at most size - 1 bytes of it and a '\0'. */
static void take_text(PyObject* text, char* to, size_t size) {
  Py_ssize_t length = 0;
  const char* bytes = PyUnicode_Check(text) ? PyUnicode_AsUTF8AndSize(text, &length) : NULL;
  if (!bytes) PyErr_Clear();
  (void)snprintf(to, size, "%s", bytes ? bytes : "an error that has no text");
}

/* Takes the text of an exception that bridge.py did not catch: a mistake in it, or a lack of memory. */
static void take_exception(char* to, size_t size) {
  PyObject *type = NULL, *value = NULL, *trace = NULL;

  /* the text of the exception's value */
  PyErr_Fetch(&type, &value, &trace);
  PyObject* text = value ? PyObject_Str(value) : NULL;
  if (text) take_text(text, to, size);
  else (void)snprintf(to, size, "Python failed without a reason");

  /* release them, and drop an error of PyObject_Str */
  Py_XDECREF(text);
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(trace);
  PyErr_Clear();
}

/* --- start -------------------------------------------------------------------------------------------------------- */

/* Runs the text of a file with `dict` as globals and locals. 0 for success, otherwise Python holds an exception. */
static int run_text(const char* source, PyObject* dict) {
  PyObject* code = Py_CompileString(source, "<sac>", Py_file_input);
  PyObject* done = code ? PyEval_EvalCode(code, dict, dict) : NULL;
  const int failed = !done;
  Py_XDECREF(code);
  Py_XDECREF(done);
  return failed;
}

/* A new dict of the embedded files: name to text. NULL: Python holds an exception. */
static PyObject* embedded_texts(void) {
  PyObject* files = PyDict_New();
  for (size_t i = 0; files && i < sac_embedded_gym_count; i++) {
    PyObject* text = PyUnicode_FromString(sac_embedded_gyms[i].text);
    if (!text || PyDict_SetItemString(files, sac_embedded_gyms[i].name, text) != 0) Py_CLEAR(files);
    Py_XDECREF(text);
  }
  return files;
}

/* Makes the module `bridge` of the embedded files. own: sac started the interpreter, so bridge.py may set up sys. 0 for
 * success; otherwise `error` says why. */
static int run_bridge(int own, char* error, size_t size) {
  PyObject *module = PyModule_New("sac_gym"), *files = embedded_texts();
  PyObject* dict = module ? PyModule_GetDict(module) : NULL;

  /* define the names that the files expect; workers.py sends FILES to worker processes */
  if (!dict || !files || PyDict_SetItemString(dict, "FILES", files) != 0 ||
      PyDict_SetItemString(dict, "OWN", own ? Py_True : Py_False) != 0 ||
      PyDict_SetItemString(dict, "__builtins__", PyEval_GetBuiltins()) != 0)
    goto fail;

  /* run the files, which share these names; they are sorted, so bridge.py comes first */
  for (size_t i = 0; i < sac_embedded_gym_count; i++)
    if (run_text(sac_embedded_gyms[i].text, dict) != 0) goto fail;

  /* success: `bridge` owns the module */
  bridge = module;
  module = NULL;
fail:
  if (!bridge) take_exception(error, size);
  Py_XDECREF(module);
  Py_XDECREF(files);
  return bridge ? 0 : 1;
}

/* Tells Python the path of its program, from which it finds its packages. */
static void set_program(const char* python) {
  static wchar_t program[4096]; /* Python keeps the pointer */
  const size_t most = sizeof program / sizeof *program - 1;

  /* convert a path that is not valid in this locale byte by byte, as Python itself does (surrogateescape) */
  if (mbstowcs(program, python, most) == (size_t)-1)
    for (size_t i = 0; i < most && (program[i] = (unsigned char)python[i]); i++)
      if (program[i] >= 0x80) program[i] += 0xdc00;
  Py_SetProgramName(program); /* deprecated, but its replacement is outside the limited API */
}

EXPORT int sac_gym_start(const char* python, char* error, size_t size);
EXPORT int sac_gym_start(const char* python, char* error, size_t size) {
  /* the process is a Python already: use it as it is */
  if (Py_IsInitialized()) {
    const held h = enter();
    const int failed = run_bridge(0, error, size);
    leave(&h);
    return failed;
  }

  /* start Python, and restore the program's locale, which Python changes */
  const sac_float_modes floats = sac_float_modes_get();
  char* locale = setlocale(LC_ALL, NULL);
  locale = locale ? strdup(locale) : NULL;
  set_program(python);

  /* sets of texts have the same order in every run, unless the user says otherwise; worker processes get it too */
  (void)setenv("PYTHONHASHSEED", "0", 0);
  Py_InitializeEx(0);
  if (locale) (void)setlocale(LC_ALL, locale);
  free(locale);

  /* load our files, then release Python's lock: from now on each call takes it */
  const int failed = run_bridge(1, error, size);
  (void)PyEval_SaveThread();
  sac_float_modes_restore(&floats);
  return failed;
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

static int take_terms(gym* g, PyObject* terms);

/* Calls a method of Envs. The method returns None; a list of all names of info, if there are new ones; or a str: its
 * error. 0 for success, otherwise g->error says why. */
static int call(gym* g, const char* method) {
  const held h = enter();
  int failed = 1;
  PyObject* result = PyObject_CallMethod(g->envs, method, NULL);

  /* an exception, success, new names, or an error text */
  if (!result) take_exception(g->error, sizeof g->error);
  else if (result == Py_None) failed = 0;
  else if (PyList_Check(result) && take_terms(g, result) == 0) failed = 0;
  else take_text(result, g->error, sizeof g->error);
  Py_XDECREF(result);
  leave(&h);
  return failed;
}

/* Takes the names of info that are new, from a list of str that begins with those that g has. 0 for success. */
static int take_terms(gym* g, PyObject* terms) {
  const Py_ssize_t count = PyList_Size(terms);
  if (count < 0) return 1;

  /* keep the texts in g, as the list is released; what was NULL at the end of g->term becomes a name */
  for (; (Py_ssize_t)g->terms < count && g->terms < SAC_ENV_INFO_MAX; g->terms++) {
    PyObject* name = PyList_GetItem(terms, (Py_ssize_t)g->terms);
    if (!name) return 1;
    take_text(name, g->names[g->terms], sizeof g->names[0]);
    g->term[g->terms] = g->names[g->terms];
  }
  return 0;
}

/* Takes what `create` of bridge.py returned for an instance: its sizes, and the block with the offsets of its arrays.
 * 0 for success, otherwise Python holds an exception. */
static int take_spec(gym* g, PyObject* spec, sac_env_spec* out) {
  Py_ssize_t at[10];
  PyObject* block = NULL;

  /* unpack; PyObject_GetBuffer keeps the block alive until destroy */
  if (!PyArg_ParseTuple(spec, "iiiiO(nnnnnnnnnn)", &out->obs_size, &out->action_size, &out->actions,
                        &out->max_episode_steps, &block, &at[0], &at[1], &at[2], &at[3], &at[4], &at[5], &at[6], &at[7],
                        &at[8], &at[9]) ||
      PyObject_GetBuffer(block, &g->memory, PyBUF_WRITABLE) != 0)
    return 1;

  /* the arrays, in the order of `layout` in bridge.py */
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

  /* the sizes; the bounds of continuous actions are two of the arrays */
  g->obs_size = out->obs_size;
  g->action_size = out->action_size;
  if (out->actions == 0) {
    out->action_low = g->low;
    out->action_high = g->high;
  }
  return 0;
}

EXPORT void sac_gym_generators(sac_gym_generators_call what, void* self, uint64_t seed);
EXPORT void sac_gym_generators(sac_gym_generators_call what, void* self, uint64_t seed) {
  const gym* g = self;
  const held h = enter();
  PyObject* result = NULL;

  /* an instance seeds its processes and spaces as well */
  if (what == SAC_GYM_GENERATORS_KEEP) result = PyObject_CallMethod(bridge, "keep_generators", NULL);
  else if (what == SAC_GYM_GENERATORS_RESTORE) result = PyObject_CallMethod(bridge, "restore_generators", NULL);
  else if (g && g->envs) result = PyObject_CallMethod(g->envs, "seed", "K", (unsigned long long)seed);
  else result = PyObject_CallMethod(bridge, "seed_generators", "KO", (unsigned long long)seed, Py_False);

  /* an error, such as that of a worker process that has ended, shows in the next call */
  if (!result) PyErr_Clear();
  Py_XDECREF(result);
  leave(&h);
}

/* Copies the description of the spaces from Envs. Without one nothing is lost but words in a file. */
static void take_spaces(gym* g) {
  PyObject* text = PyObject_GetAttrString(g->envs, "spaces");
  Py_ssize_t length = 0;
  const char* bytes = text && PyUnicode_Check(text) ? PyUnicode_AsUTF8AndSize(text, &length) : NULL;
  g->spaces = bytes && length > 0 ? strdup(bytes) : NULL;
  Py_XDECREF(text);
  PyErr_Clear();
}

static int create(void** self, const char* id, int32_t n, const char* options, sac_env_spec* spec) {
  gym* g = calloc(1, sizeof *g);
  int code = 1;
  if (!g) return 1;

  /* the caller reads the error text from *self, and destroys it, also after a failure */
  *self = g;
  g->n = n;
  *spec = (sac_env_spec){0};
  const held h = enter();

  /* bridge.py returns (Envs, its sizes and arrays), or (whether the configuration is wrong, text) */
  PyObject *result = PyObject_CallMethod(bridge, "create", "sis", id, (int)n, options), *first = NULL, *second = NULL;
  if (!result || !PyArg_ParseTuple(result, "OO", &first, &second)) {
    take_exception(g->error, sizeof g->error);
  } else if (PyUnicode_Check(second)) {
    take_text(second, g->error, sizeof g->error);
    code = PyObject_IsTrue(first) == 1 ? SAC_ERROR_CONFIG : 1;
  } else {
    /* keep Envs, and take what it tells */
    g->envs = first;
    Py_INCREF(g->envs);
    code = take_spec(g, second, spec);
    if (code == 0) take_spaces(g);
    if (code != 0) take_exception(g->error, sizeof g->error);
  }
  Py_XDECREF(result);
  leave(&h);
  return code;
}

/* Whether all of these floats are finite. */
static int all_finite(const float* value, size_t count) {
  const uint32_t infinite = 0x7f800000u; /* the exponent of infinities and NaN */
  uint32_t bits, found = 0;
  for (size_t i = 0; i < count; i++) {
    memcpy(&bits, value + i, sizeof bits);
    found |= (bits & infinite) == infinite;
  }
  return !found;
}

/* The code of a step or a reset that has succeeded. A number that no float holds has become infinite: bridge.py then
 * names it. Other values that are not finite are found by sac. */
static int finish(gym* g) {
  const size_t n = (size_t)g->n;
  if (all_finite(g->obs, n * (size_t)g->obs_size) && all_finite(g->reward, n)) return 0;
  return call(g, "beyond") == 0 ? 0 : SAC_ERROR_NUMERIC;
}

static int reset(void* self, const uint8_t* mask, const uint64_t* seed, float* obs) {
  gym* g = self;
  const size_t n = (size_t)g->n, size = (size_t)g->obs_size;

  /* pass mask and seeds through the block */
  memcpy(g->mask, mask, n);
  memcpy(g->seed, seed, n * sizeof *seed);
  if (call(g, "reset") != 0) return 1;

  /* copy the rows of the environments that were reset; the other rows stay as they are */
  for (size_t i = 0; i < n; i++)
    if (mask[i]) memcpy(obs + i * size, g->obs + i * size, size * sizeof *obs);
  return finish(g);
}

static int step(void* self, const float* action, float* obs, float* reward, uint8_t* terminated, uint8_t* truncated) {
  gym* g = self;
  const size_t n = (size_t)g->n;

  /* pass the actions through the block */
  memcpy(g->action, action, n * (size_t)g->action_size * sizeof *action);
  if (call(g, "step") != 0) return 1;

  /* copy the results from the block */
  memcpy(obs, g->obs, n * (size_t)g->obs_size * sizeof *obs);
  memcpy(reward, g->reward, n * sizeof *reward);
  memcpy(terminated, g->terminated, n);
  memcpy(truncated, g->truncated, n);
  return finish(g);
}

static void destroy(void* self) {
  gym* g = self;
  if (!g) return;

  /* close the environments, and end worker processes */
  if (g->envs) (void)call(g, "close");

  /* release what take_spec and create hold */
  const held h = enter();
  if (g->memory.obj) PyBuffer_Release(&g->memory);
  Py_XDECREF(g->envs);
  leave(&h);
  free(g->spaces);
  free(g);
}

static const char* const* info_names(void* self) { return ((gym*)self)->term; }

static int info(void* self, float* value) {
  const gym* g = self;
  for (size_t i = 0; i < (size_t)g->n; i++)
    memcpy(value + i * g->terms, g->info + i * SAC_ENV_INFO_MAX, g->terms * sizeof *value);
  return 0;
}

static const char* describe(void* self) { return ((gym*)self)->spaces; }

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
                                  .info = info,
                                  .describe = describe};
  return &api;
}
