#include "answer.h"

#include "port.h"

void answer_text(const char *text) {
    for (; *text != '\0'; text++) {
        port_write((uint8_t)*text);
    }
}

void answer_number(uint64_t value) {
    char digits[21]; /* 2^64 - 1 has 20 */
    char *first = &digits[sizeof digits - 1];
    *first = '\0';
    do {
        *--first = (char)('0' + (char)(value % 10));
        value /= 10;
    } while (value != 0);
    answer_text(first);
}

void answer_byte(uint8_t byte) {
    static const char digits[] = "0123456789abcdef";
    port_write((uint8_t)digits[byte >> 4]);
    port_write((uint8_t)digits[byte & 15]);
}

void answer_end(void) {
    answer_text("\r\n");
}

void answer_line(const char *text) {
    answer_text(text);
    answer_end();
}

void answer_count(const char *key, uint64_t value) {
    answer_text(key);
    answer_number(value);
    answer_end();
}

void answer_bracketed(const char *key, const char *text) {
    answer_text(key);
    answer_text("[");
    answer_text(text);
    answer_line("]");
}

void answer_refusal(const char *reason) {
    answer_bracketed("e-", reason);
}

void answer_refusal_of(const char *reason, const char *word) {
    answer_text("e-[");
    answer_text(reason);
    answer_text(word);
    answer_line("]");
}

/* magnitude * 2^-shift, half up. magnitude < 2^51 (see answer_real). */
static uint64_t scaled(uint64_t magnitude, int32_t shift) {
    if (shift <= 0) {
        const uint64_t most = INT64_MAX;
        return shift < -62 || magnitude > most >> -shift ? (magnitude == 0 ? 0 : most) : magnitude << -shift;
    }
    if (shift > 62) {
        return 0; /* below 2^51 * 2^-63 */
    }
    return (magnitude + (UINT64_C(1) << (shift - 1))) >> shift;
}

void answer_real(int8_t q, const struct mcu_tensor *tensor) {
    /* |q - zero_point| < 2^9 for an int8 zero point, mantissa < 2^31, 1000 < 2^10: below 2^50. */
    const int32_t steps = q - tensor->zero_point;
    const uint64_t magnitude =
        (uint64_t)(steps < 0 ? -steps : steps) * (uint64_t)tensor->scale_mantissa * 1000;
    const uint64_t thousandths = scaled(magnitude, tensor->scale_shift);
    const uint32_t fraction = (uint32_t)(thousandths % 1000);
    if (steps < 0 && thousandths != 0) {
        port_write('-');
    }
    answer_number(thousandths / 1000);
    port_write('.');
    port_write((uint8_t)('0' + fraction / 100));
    port_write((uint8_t)('0' + fraction / 10 % 10));
    port_write((uint8_t)('0' + fraction % 10));
}
