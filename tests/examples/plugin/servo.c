/* A task on real hardware: one servo motor that shall turn to an angle. Here a simulated motor stands behind the four
 * functions device_*, and turns in real time; replace them by those of your driver.
 *
 *   cc -O2 -shared -fPIC -I include servo.c -o libservo.so -lm
 *   sac train --env ./libservo.so --set env.options.period_ms=10 --set train.overlap=1 --set eval.every=0
 *
 * What is different from a simulation:
 *
 * - There is one servo. `create` takes n = 1 only, and only one instance at a time. Evaluations need an instance of
 * their own unless they are played on the training's, or are off (eval.every=0). `concurrent` stays 0.
 * - Time goes on. A step lasts one period, to an absolute deadline, so that the time which sac takes does not add up.
 *   With train.overlap=1 sac learns while the step waits, and the policy's delay is always one step.
 * - sac pauses now and then: a checkpoint, an evaluation, Ctrl-C. The device must then be safe by itself: a watchdog in
 *   it takes the torque away when no command comes. A late step is no error; it is counted in info/late.
 * - The device may fall silent. No call waits for ever: after a timeout `step` returns 1, sac ends the run with the
 * text of error(), and its last checkpoint stays.
 * - `destroy` stops the motor. It is called after an error too, but not when the process is killed: that is the
 *   watchdog's.
 * - `reset` moves the servo to its start. It takes time, and has a timeout as well. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <math.h>
#include <sac/env.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define O 4            /* sin and cos of the angle, speed, the last torque */
#define STEPS 200      /* of an episode */
#define RESET_TIME 2.0 /* seconds in which the start must be reached */
#define TIMEOUT 0.1    /* seconds after which a silent device is an error */

/* --- time --------------------------------------------------------------------------------------------------------- */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Waits until `time`. A signal, such as the first Ctrl-C, ends the sleep early, so sleep again. */
static void wait_until(double time) {
  const struct timespec t = {(time_t)time, (long)(1e9 * (time - floor(time)))};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) continue;
}

/* --- the device, simulated ---------------------------------------------------------------------------------------- */

#define WATCHDOG 0.05 /* seconds without a command after which the torque is 0 */
#define INERTIA 0.01  /* kg m^2 */
#define FRICTION 0.02 /* N m s/rad */

static struct {
  int open;
  double angle, speed, torque; /* rad, rad/s, N m */
  double commanded, simulated; /* when the last command came; how far the motor is simulated */
  double opened, silent_after; /* for a test: seconds after which it falls silent; 0: never */
} motor;

/* Lets the motor turn until now. */
static void turn(void) {
  const double end = now(), step = 1e-4;
  for (; motor.simulated < end; motor.simulated += step) {
    const double torque = motor.simulated - motor.commanded < WATCHDOG ? motor.torque : 0;
    motor.speed += step * (torque - FRICTION * motor.speed) / INERTIA;
    motor.angle += step * motor.speed;
  }
}

/* Opens the device. 0 for success; 1: somebody has it open. */
static int device_open(double silent_after) {
  if (motor.open) return 1;
  motor.open = 1;
  motor.silent_after = silent_after;
  motor.opened = motor.simulated = motor.commanded = now();
  motor.angle = 1, motor.speed = 0, motor.torque = 0;
  return 0;
}

/* Sends a torque. */
static void device_write(double torque) {
  turn();
  motor.torque = torque;
  motor.commanded = now();
}

/* Reads the sensors. 0 for success; 1: no answer came within `timeout` seconds. */
static int device_read(double timeout, double* angle, double* speed) {
  if (motor.silent_after > 0 && now() - motor.opened > motor.silent_after) {
    wait_until(now() + timeout);
    return 1;
  }
  turn();
  *angle = motor.angle;
  *speed = motor.speed;
  return 0;
}

/* Takes the torque away, and closes the device. */
static void device_close(void) {
  device_write(0);
  motor.open = 0;
}

/* --- the environment ---------------------------------------------------------------------------------------------- */

typedef struct {
  int open;                      /* 1: this instance has the device */
  double period, deadline, late; /* seconds: of a step; when the present one ends; by which the last one was late */
  double angle, speed, torque;
  float low, high; /* N m */
  char error[128];
} servo;

static int create(void** self, const char* id, int32_t n, const char* options, sac_env_spec* spec) {
  servo* s = calloc(1, sizeof *s);
  double period_ms = 10, silent_after = 0;
  (void)id;
  if (!s) return 1;
  *self = s; /* from here on sac asks error() for the reason, and calls destroy() */
  const sac_env_setting settings[] = {{"period_ms", SAC_ENV_NUMBER, &period_ms, 0.5, 1000, 0},
                                      {"silent_after", SAC_ENV_NUMBER, &silent_after, 0, 1e6, 0}};
  if (sac_env_read_options(options, settings, 2, s->error, sizeof s->error) != SAC_OK) return SAC_ERROR_CONFIG;

  /* there is one servo */
  if (n != 1) {
    snprintf(s->error, sizeof s->error, "there is one servo, not %d: set env.num_envs=1 and one seed", (int)n);
    return SAC_ERROR_CONFIG;
  }
  if (device_open(silent_after) != 0) {
    snprintf(s->error, sizeof s->error, "the servo is in use: train with eval.every=0, or evaluate on its instance");
    return 1;
  }
  s->open = 1;
  s->period = 1e-3 * period_ms;
  s->low = -0.2f, s->high = 0.2f;
  *spec = (sac_env_spec){
      .obs_size = O, .action_size = 1, .max_episode_steps = STEPS, .action_low = &s->low, .action_high = &s->high};
  return 0;
}

static void destroy(void* self) {
  servo* s = self;
  if (s && s->open) device_close();
  free(s);
}

/* Sends a torque, waits for the end of the period, and reads the sensors. 0 for success. */
static int one_period(servo* s, double torque) {
  device_write(torque);
  s->torque = torque;

  /* after a pause of sac the deadline has passed: begin a new rhythm, and do not hurry to catch up */
  const double over = now() - s->deadline;
  s->late = over > 0 ? over : 0;
  if (over > 0) s->deadline = now();
  wait_until(s->deadline);
  s->deadline += s->period;

  /* a device that is silent gets no torque any more */
  if (device_read(TIMEOUT, &s->angle, &s->speed) == 0) return 0;
  device_write(0);
  snprintf(s->error, sizeof s->error, "the servo has not answered for %g s: is it plugged in?", TIMEOUT);
  return 1;
}

static void observe(const servo* s, float* obs) {
  obs[0] = (float)sin(s->angle), obs[1] = (float)cos(s->angle);
  obs[2] = (float)(s->speed / 10), obs[3] = (float)(s->torque / 0.2);
}

/* Moves the servo to a start that the seed chooses, by a controller of its own. */
static int reset(void* self, const uint8_t* mask, const uint64_t* seed, float* obs) {
  servo* s = self;
  if (!mask[0]) return 0;
  const double target = (double)(seed[0] >> 40) * 0x1p-23 - 1; /* rad, in [-1, 1] */
  const double end = now() + RESET_TIME;
  s->deadline = now() + s->period;
  do {
    const double torque = 0.5 * (target - s->angle) - 0.1 * s->speed;
    if (one_period(s, fmax(-0.2, fmin(0.2, torque))) != 0) return 1;
  } while (!(fabs(s->angle - target) < 0.05 && fabs(s->speed) < 0.2) && now() < end);

  /* it is blocked, or turns away */
  if (!(fabs(s->angle - target) < 0.05)) {
    device_write(0);
    snprintf(s->error, sizeof s->error, "the servo does not reach its start within %g s", RESET_TIME);
    return 1;
  }
  observe(s, obs);
  return 0;
}

static int step(void* self, const float* action, float* obs, float* reward, uint8_t* terminated, uint8_t* truncated) {
  servo* s = self;
  if (one_period(s, (double)action[0]) != 0) return 1;
  *reward = (float)(1 - s->angle * s->angle - 0.01 * s->speed * s->speed);
  *terminated = fabs(s->angle) > 3; /* the cable would wind up */
  *truncated = 0;
  if (*terminated) device_write(0);
  observe(s, obs);
  return 0;
}

static const char* error(void* self) { return ((servo*)self)->error; }

static const char* const* info_names(void* self) {
  static const char* const names[] = {"late", NULL};
  (void)self;
  return names;
}

static int info(void* self, float* value) {
  value[0] = (float)((servo*)self)->late;
  return 0;
}

const sac_env_api* sac_env_plugin(void);
const sac_env_api* sac_env_plugin(void) {
  static const sac_env_api api = {.abi = SAC_ENV_ABI,
                                  .size = sizeof api,
                                  .name = "servo",
                                  .create = create,
                                  .reset = reset,
                                  .step = step,
                                  .destroy = destroy,
                                  .error = error,
                                  .info_names = info_names,
                                  .info = info};
  return &api;
}
