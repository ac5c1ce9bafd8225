/* wire_golden.h - each record, and its bytes. */
#ifndef WIRE_GOLDEN_H
#define WIRE_GOLDEN_H

#include "link/wire.h"

#define SPAN(text)                                                             \
    {                                                                          \
        text, sizeof(text) - 1                                                 \
    }
#define SIDE                                                                   \
    {                                                                          \
        3, 8, 1, SPAN("0.1.0")                                                 \
    }

/* Written down from the description at the head of wire.h. */
typedef struct golden {
    mst_record record;
    const char *hex;
} golden;

#define MUSTER_HEX "6d7573746572"
#define SIDE_HEX                                                               \
    MUSTER_HEX "0003"                                                          \
               "08"                                                            \
               "01"                                                            \
               "0005"                                                          \
               "302e312e30"

#define KEY_HEX                                                                \
    "aa000000000000000000000000000000000000000000000000000000000000bb"

static const golden vectors[] = {
    {{.kind = MST_HELLO,
      .side = SIDE,
      .instance = 0x0102030405060708,
      .pid = 4711,
      .text = SPAN("host"),
      .flags = MST_FLAG_RESUME,
      .got = 0x1122334455,
      .turn = 7},
     "00000033"
     "01"
     "02"
     "0000" SIDE_HEX "0102030405060708"
     "00001267"
     "0004"
     "686f7374"
     "0000001122334455"
     "00000007"},
    {{.kind = MST_WELCOME,
      .side = SIDE,
      .session = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
      .rank = 3,
      .incarnation = 1,
      .threads = 2,
      .heartbeat_ms = 30000,
      .grace_ms = 1000,
      .got = 66,
      .bulk_mode = 2,
      .bulk_port = 0x1234,
      .key = {[0] = 0xaa, [31] = 0xbb}},
     "00000064"
     "02"
     "00"
     "0000" SIDE_HEX "000102030405060708090a0b0c0d0e0f"
     "00000003"
     "00000001"
     "00000002"
     "00007530"
     "000003e8"
     "0000000000000042"
     "02"
     "1234" KEY_HEX},
    {{.kind = MST_GOT, .transfer = 0x100000002, .count = 3},
     "00000010"
     "13"
     "00"
     "0000"
     "0000000100000002"
     "00000003"},
    {{.kind = MST_AGAIN, .transfer = 0x100000002, .count = 3},
     "00000010"
     "14"
     "00"
     "0000"
     "0000000100000002"
     "00000003"},
    {{.kind = MST_NOBULK, .text = SPAN("no")},
     "00000008"
     "15"
     "00"
     "0000"
     "0002"
     "6e6f"},
    {{.kind = MST_RELAY,
      .mode = MST_RELAY_TAKE,
      .transfer = 0x100000002,
      .rank = 3,
      .incarnation = 1,
      .bulk_port = 0x1234,
      .key = {[0] = 0xaa, [31] = 0xbb},
      .text = SPAN("::1")},
     "0000003c"
     "16"
     "00"
     "0000"
     "03"
     "0000000100000002"
     "00000003"
     "00000001"
     "1234" KEY_HEX "0003"
     "3a3a31"},
    {{.kind = MST_CALL,
      .flags = MST_FLAG_SHARED,
      .id = 5,
      .remaining_ms = 10,
      .size = 1,
      .count = 1,
      .depth = 1,
      .text = SPAN("f"),
      .total = 65536,
      .transfer = 7,
      .seal = 2},
     "0000003a"
     "06"
     "10"
     "0000"
     "0000000000000005"
     "000000000000000a"
     "00000001"
     "00000000"
     "00000001"
     "00000000"
     "0001"
     "0001"
     "66"
     "0000000000010000"
     "0000000000000007"
     "02"},
    {{.kind = MST_RESULT,
      .flags = MST_FLAG_BULK,
      .id = 5,
      .total = 65536,
      .transfer = 7,
      .seal = 2,
      .key = {[0] = 0xaa, [31] = 0xbb}},
     "00000049"
     "07"
     "04"
     "0000"
     "0000000000000005"
     "0000"
     "00000000"
     "00000000"
     "0000"
     "0000000000010000"
     "0000000000000007"
     "02" KEY_HEX},
    {{.kind = MST_REFUSE, .side = SIDE, .code = 14, .text = SPAN("no")},
     "0000001b"
     "03"
     "00"
     "0000" SIDE_HEX "000e"
     "0002"
     "6e6f"},
    {{.kind = MST_GOAWAY, .code = 14, .text = SPAN("go")},
     "0000000a"
     "04"
     "00"
     "0000"
     "000e"
     "0002"
     "676f"},
    {{.kind = MST_HEARTBEAT},
     "00000004"
     "05"
     "00"
     "0000"},
    {{.kind = MST_HEARTBEAT,
      .flags = MST_FLAG_FIGURES,
      .usage = {.memory = 498 << 20,
                .limit = 512 << 20,
                .rss = 0x1000,
                .oom_kills = 1,
                .throttled = MST_UNKNOWN,
                .throttled_us = MST_UNKNOWN},
      .running = 2,
      .id = 0x100000002,
      .running_ms = 12400,
      .text = SPAN("fit")},
     "0000004d"
     "05"
     "01"
     "0000"
     "000000001f200000"
     "0000000020000000"
     "0000000000001000"
     "0000000000000001"
     "ffffffffffffffff"
     "ffffffffffffffff"
     "00000002"
     "0000000100000002"
     "0000000000003070"
     "0003"
     "666974"},
    {{.kind = MST_CALL,
      .flags = MST_FLAG_POST,
      .id = 0x100000002,
      .remaining_ms = MST_WIRE_NO_DEADLINE,
      .size = 4,
      .index = 1,
      .count = 2,
      .peer = 3,
      .depth = 5,
      .text = SPAN("echo"),
      .total = 7,
      .body = SPAN("hello")},
     "00000039"
     "06"
     "01"
     "0000"
     "0000000100000002"
     "ffffffffffffffff"
     "00000004"
     "00000001"
     "00000002"
     "00000003"
     "0005"
     "0004"
     "6563686f"
     "0000000000000007"
     "68656c6c6f"},
    {{.kind = MST_RESULT,
      .id = 5,
      .code = 9,
      .remote = 7,
      .peer = 2,
      .text = SPAN("bad"),
      .total = 0},
     "00000023"
     "07"
     "00"
     "0000"
     "0000000000000005"
     "0009"
     "00000007"
     "00000002"
     "0003"
     "626164"
     "0000000000000000"},
    {{.kind = MST_CHUNK, .id = 5, .offset = 1048576, .body = SPAN("xy")},
     "00000016"
     "08"
     "00"
     "0000"
     "0000000000000005"
     "0000000000100000"
     "7879"},
    {{.kind = MST_ABORT, .id = 5},
     "0000000c"
     "09"
     "00"
     "0000"
     "0000000000000005"},
    {{.kind = MST_CANCEL, .id = 5},
     "0000000c"
     "0a"
     "00"
     "0000"
     "0000000000000005"},
    {{.kind = MST_CREDIT, .credit = 524288, .depth = 65},
     "0000000a"
     "0b"
     "00"
     "0000"
     "00080000"
     "0041"},
    {{.kind = MST_STOP, .mode = MST_STOP_NOW},
     "00000005"
     "0c"
     "00"
     "0000"
     "01"},
    {{.kind = MST_BYE, .code = 0, .text = SPAN("")},
     "00000008"
     "0d"
     "00"
     "0000"
     "0000"
     "0000"},
    {{.kind = MST_OUTPUT, .mode = 2, .body = SPAN("line")},
     "00000009"
     "0e"
     "00"
     "0000"
     "02"
     "6c696e65"},
    {{.kind = MST_INTERRUPT, .id = 7, .signal_ms = 1000, .end_ms = UINT32_MAX},
     "00000014"
     "0f"
     "00"
     "0000"
     "0000000000000007"
     "000003e8"
     "ffffffff"},
    {{.kind = MST_TAKEN, .credit = 32768},
     "00000008"
     "10"
     "00"
     "0000"
     "00008000"},
    {{.kind = MST_ACK, .got = 0x0102030405060708},
     "0000000c"
     "11"
     "00"
     "0000"
     "0102030405060708"},
    {{.kind = MST_DRAIN, .grace_ms = 1000},
     "00000008"
     "12"
     "00"
     "0000"
     "000003e8"},
};

#endif
