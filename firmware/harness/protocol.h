/* The form of a command: text ended by '%', words separated by blanks, at most 80 characters.
 *
 * Knows neither port nor model. Bytes come from a serial line, so any byte at any time is a legal input.
 * Spec: EEMBC's device protocol of MLPerf Tiny; docs/serial_protocol.md. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PROTOCOL_COMMAND_CHARS = 80, /* without the '%' */
    PROTOCOL_WORDS = 4,          /* the longest command form has three words; a fourth shows an excess */
};

enum protocol_event {
    PROTOCOL_PENDING,  /* no command has ended */
    PROTOCOL_COMMAND,  /* a command lies in words[0..word_count) */
    PROTOCOL_EMPTY,    /* a '%' after nothing but blanks */
    PROTOCOL_TOO_LONG, /* more than PROTOCOL_COMMAND_CHARS before the '%' */
    PROTOCOL_NOT_TEXT, /* a byte outside printable ASCII before the '%' */
};

/* A parser; all zeros is its initial state. The words live until the next byte is fed. */
struct protocol {
    char text[PROTOCOL_COMMAND_CHARS + 1];
    uint32_t length;
    bool too_long;
    bool not_text;
    const char *words[PROTOCOL_WORDS];
    uint32_t word_count; /* at most PROTOCOL_WORDS; what follows is dropped */
};

/* Takes the next byte. Carriage returns and line feeds are skipped, so that a person can press Enter. */
enum protocol_event protocol_feed(struct protocol *protocol, uint8_t byte);

/* A decimal number below 2^32 and nothing else. */
bool protocol_parse_number(const char *word, uint32_t *value);

/* Two hexadecimal digits, of either case. */
bool protocol_parse_byte(const char *digits, uint8_t *value);

#endif
