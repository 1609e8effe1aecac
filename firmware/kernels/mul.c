#include "mul.h"

MCU_INLINE int8_t product(const void *layer, int8_t a, int8_t b) {
    const struct mcu_mul_s8 *l = (const struct mcu_mul_s8 *)layer;
    return mcu_requantize_s8((a - l->a_zero_point) * (b - l->b_zero_point), l->factor, l->output);
}

void mcu_mul_s8(const struct mcu_mul_s8 *layer, const int8_t *a, const int8_t *b, int8_t *out) {
    const struct mcu_mul_s8 l = *layer; /* out may alias anything, as far as the C compiler knows */
    mcu_broadcast_s8(l.size, l.a_step, l.b_step, product, &l, a, b, out);
}
