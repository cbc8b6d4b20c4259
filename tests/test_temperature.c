#include "kernels/temperature.h"

#include "support/formulas.h"

START_TEST(alpha_is_exp) {
  for (int i = -80; i <= 80; i++) ck_near_relative(sac_alpha((real)(i + 0.25)), exp(i + 0.25), FORMULA_REL, 0);
  ck_assert(sac_alpha(0) == 1);
  ck_assert(sac_is_nan(sac_alpha(not_a_number)));
}
END_TEST

START_TEST(target_is_minus_the_action_size) { ck_assert(sac_target_entropy(1) == -1 && sac_target_entropy(17) == -17); }
END_TEST

START_TEST(loss_by_hand) {
  ck_assert(sac_alpha_loss((real)-0.5, -3, -1) == -2);
  ck_assert(sac_alpha_loss(0, -3, -1) == 0);
  ck_assert(sac_alpha_loss_grad(-3, -1) == 4);
  ck_assert(sac_is_nan(sac_alpha_loss(not_a_number, 0, 0)) && sac_is_nan(sac_alpha_loss(1, not_a_number, 0)));
  ck_assert(sac_is_nan(sac_alpha_loss_grad(not_a_number, 0)) && sac_is_nan(sac_alpha_loss_grad(0, not_a_number)));
}
END_TEST

/* Gradient descent raises alpha while the entropy -log pi is below Hbar, lowers it above, and does not move at Hbar. */
START_TEST(descent_moves_the_entropy_to_its_target) {
  const real target_entropy = -2;
  ck_assert(sac_alpha_loss_grad(5, target_entropy) < 0);  /* entropy -5 */
  ck_assert(sac_alpha_loss_grad(-5, target_entropy) > 0); /* entropy 5 */
  ck_assert(sac_alpha_loss_grad(2, target_entropy) == 0);
}
END_TEST

#ifdef SAC_REAL_DOUBLE
START_TEST(gradient_is_the_central_difference) {
  for (int i = -6; i <= 6; i++)
    for (int j = -10; j <= 3; j++) {
      const double log_prob = 3.3 * i;
      double x = j, slope;
      central_difference(x, sac_alpha_loss(x, log_prob, -6), slope);
      ck_near_relative(sac_alpha_loss_grad(log_prob, -6), slope, DIFFERENCE_REL, DIFFERENCE_ABS);
    }
}
END_TEST
#define MORE , CASE(gradient_is_the_central_difference)
#else
#define MORE
#endif

CHECK_MAIN(SUITE("temperature"), CASE(alpha_is_exp), CASE(target_is_minus_the_action_size), CASE(loss_by_hand),
           CASE(descent_moves_the_entropy_to_its_target) MORE)
