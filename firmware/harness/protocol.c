#include "protocol.h"

#include <stddef.h>

static void split(struct protocol *protocol) {
    protocol->word_count = 0;
    bool in_word = false;
    for (uint32_t i = 0; i < protocol->length; i++) {
        char *at = &protocol->text[i];
        if (*at == ' ') {
            *at = '\0';
            in_word = false;
        } else if (!in_word) {
            in_word = true;
            if (protocol->word_count < PROTOCOL_WORDS) {
                protocol->words[protocol->word_count++] = at;
            }
        }
    }
}

static enum protocol_event end_of_command(struct protocol *protocol) {
    enum protocol_event event = PROTOCOL_COMMAND;
    protocol->text[protocol->length] = '\0';
    if (protocol->not_text) {
        event = PROTOCOL_NOT_TEXT;
    } else if (protocol->too_long) {
        event = PROTOCOL_TOO_LONG;
    } else {
        split(protocol);
        if (protocol->word_count == 0) {
            event = PROTOCOL_EMPTY;
        }
    }
    protocol->length = 0;
    protocol->too_long = false;
    protocol->not_text = false;
    return event;
}

enum protocol_event protocol_feed(struct protocol *protocol, uint8_t byte) {
    if (byte == '%') {
        return end_of_command(protocol);
    }
    if (byte == '\r' || byte == '\n') {
        return PROTOCOL_PENDING;
    }
    if (byte < 0x20 || byte > 0x7e) {
        protocol->not_text = true;
    } else if (protocol->length == PROTOCOL_COMMAND_CHARS) {
        protocol->too_long = true;
    } else {
        protocol->text[protocol->length++] = (char)byte;
    }
    return PROTOCOL_PENDING;
}

bool protocol_parse_number(const char *word, uint32_t *value) {
    uint32_t sum = 0;
    if (*word == '\0') {
        return false;
    }
    for (; *word != '\0'; word++) {
        if (*word < '0' || *word > '9') {
            return false;
        }
        const uint32_t digit = (uint32_t)(*word - '0');
        if (sum > (UINT32_MAX - digit) / 10) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    *value = sum;
    return true;
}

/* The value of a hexadecimal digit, or 16 for any other character. */
static uint8_t digit_value(char digit) {
    if (digit >= '0' && digit <= '9') {
        return (uint8_t)(digit - '0');
    }
    if (digit >= 'a' && digit <= 'f') {
        return (uint8_t)(digit - 'a' + 10);
    }
    if (digit >= 'A' && digit <= 'F') {
        return (uint8_t)(digit - 'A' + 10);
    }
    return 16;
}

bool protocol_parse_byte(const char *digits, uint8_t *value) {
    const uint8_t high = digit_value(digits[0]);
    if (high == 16) {
        return false;
    }
    const uint8_t low = digit_value(digits[1]);
    if (low == 16) {
        return false;
    }
    *value = (uint8_t)(high << 4 | low);
    return true;
}
