#include "kernels/bellman.h"

#include "support/formulas.h"

/* A value from a small grid, in a fixed sequence with many ties. */
static real grid_value(uint32_t* state) {
  *state = *state * 1664525u + 1013904223u;
  return (real)((int)(*state >> 28) - 8) / 4;
}

START_TEST(minimum_is_the_first_of_the_smallest) {
  uint32_t state = 1;
  for (int critics = 1; critics <= 16; critics++)
    for (int trial = 0; trial < 200; trial++) {
      real q[16 * 3];
      for (int i = 0; i < 16 * 3; i++) q[i] = grid_value(&state);
      int expected = 0, index = -1;
      for (int k = 1; k < critics; k++)
        if (q[3 * k] < q[3 * expected]) expected = k;
      ck_assert(sac_min_critic(q, 3, critics, &index) == q[3 * expected]);
      ck_assert_int_eq(index, expected);
    }
}
END_TEST

START_TEST(minimum_takes_a_nan_and_keeps_it) {
  for (int critics = 1; critics <= 5; critics++)
    for (int at = 0; at < critics; at++) {
      real q[5] = {1, -2, 3, -4, 5};
      int index = -1;
      q[at] = not_a_number;
      ck_assert(sac_is_nan(sac_min_critic(q, 1, critics, &index)));
      ck_assert_int_eq(index, at);
    }
  const real infinite[] = {(real)INFINITY, (real)INFINITY, (real)-INFINITY};
  int index = -1;
  ck_assert(sac_min_critic(infinite, 1, 2, &index) == (real)INFINITY && index == 0);
  ck_assert(sac_min_critic(infinite, 1, 3, &index) == (real)-INFINITY && index == 2);
}
END_TEST

START_TEST(target_by_hand) {
  /* y = 2 * 0.5 + 0.75 * (3 - 0.25 * -2) with exact binary numbers */
  const real next_value = sac_soft_value(3, (real)0.25, -2);
  ck_assert(next_value == (real)3.5);
  ck_assert(sac_target(2, (real)0.5, sac_discount((real)0.75, 0), next_value) == (real)3.625);
  ck_assert(sac_target(2, (real)0.5, sac_discount((real)0.75, 1), next_value) == 1);  // the end: no bootstrap
  ck_assert(sac_target(2, (real)0.5, sac_discount(0, 0), next_value) == 1);
  ck_assert(sac_td_error(3, (real)3.625) == (real)0.625);
  ck_assert(sac_square_loss(3, 5) == 2 && sac_square_loss_grad(3, 5) == -2);
  ck_assert(sac_actor_loss(3, (real)0.25, -2) == (real)-3.5);
}
END_TEST

START_TEST(nan_is_not_hidden) {
  ck_assert(sac_is_nan(sac_soft_value(not_a_number, 1, 1)) && sac_is_nan(sac_soft_value(1, not_a_number, 1)));
  ck_assert(sac_is_nan(sac_soft_value(1, 1, not_a_number)));
  for (int input = 0; input < 5; input++)
    for (int terminated = 0; terminated < 2; terminated++) {
      real x[5] = {1, 1, (real)0.9, (real)terminated, 2};
      x[input] = not_a_number;
      ck_assert(sac_is_nan(sac_target(x[0], x[1], sac_discount(x[2], x[3]), x[4])));
    }
  ck_assert(sac_is_nan(sac_square_loss(not_a_number, 0)) && sac_is_nan(sac_square_loss(0, not_a_number)));
  ck_assert(sac_is_nan(sac_actor_loss(not_a_number, 1, 1)));
}
END_TEST

/* The value target of [sac-v] and the actor's loss differ only in sign: both are KL projections. */
START_TEST(actor_loss_is_minus_the_soft_value) {
  uint32_t state = 7;
  for (int i = 0; i < 100; i++) {
    const real q = grid_value(&state), alpha = (real)fabs(grid_value(&state)), log_prob = grid_value(&state);
    ck_assert(sac_actor_loss(q, alpha, log_prob) == -sac_soft_value(q, alpha, log_prob));
  }
}
END_TEST

#ifdef SAC_REAL_DOUBLE
START_TEST(gradients_are_central_differences) {
  for (int i = -5; i <= 5; i++) {
    const double q = 9.7 * i;
    double x = q, by_q, log_prob = q / 3, by_log_prob;
    central_difference(x, sac_square_loss(x, 1.25), by_q);
    ck_near_relative(sac_square_loss_grad(q, 1.25), by_q, DIFFERENCE_REL, DIFFERENCE_ABS);
    central_difference(x, sac_actor_loss(x, 0.3, -1), by_q);
    ck_near_relative(sac_actor_loss_grad_q(), by_q, DIFFERENCE_REL, DIFFERENCE_ABS);
    central_difference(log_prob, sac_actor_loss(q, 0.3, log_prob), by_log_prob);
    ck_near_relative(sac_actor_loss_grad_log_prob(0.3), by_log_prob, DIFFERENCE_REL, DIFFERENCE_ABS);
  }
}
END_TEST
#define MORE , CASE(gradients_are_central_differences)
#else
#define MORE
#endif

CHECK_MAIN(SUITE("bellman"), CASE(minimum_is_the_first_of_the_smallest), CASE(minimum_takes_a_nan_and_keeps_it),
           CASE(target_by_hand), CASE(nan_is_not_hidden), CASE(actor_loss_is_minus_the_soft_value) MORE)
