/* SPDX-License-Identifier: BSD-3-Clause */
/* stats.h - counters: one array of 64-bit totals per thread, written by that thread alone, read by anyone at
 * any time. Every counter has a name, a unit and a line of help; names are stable (scripts and dashboards use
 * them). */
#ifndef TAS_FASTPATH_STATS_H
#define TAS_FASTPATH_STATS_H

#include <stdint.h>

/* X(enumerator, "name", "unit", "help") */
#define TAS_COUNTERS(X)                                                                                     \
	X(RX_PACKETS, "rx_packets", "packets", "frames received from the port")                             \
	X(RX_BYTES, "rx_bytes", "bytes", "bytes of these frames, Ethernet header included")                 \
	X(TX_PACKETS, "tx_packets", "packets", "frames handed to the port")                                 \
	X(TX_BYTES, "tx_bytes", "bytes", "bytes of these frames, Ethernet header included")                 \
	X(TX_FULL, "tx_full", "times", "the port's transmit ring took less than a burst")                   \
	X(TX_DROPPED, "tx_dropped", "packets", "given up because the port took nothing (link down?)")       \
	X(RX_BAD_CHECKSUM, "rx_bad_checksum", "packets", "dropped: IP or TCP checksum wrong")               \
	X(RX_BAD_HEADER, "rx_bad_header", "packets", "dropped: lengths or header fields impossible")        \
	X(RX_IGNORED, "rx_ignored", "packets", "dropped: not for this service (other protocol or address)") \
	X(RX_FRAGMENTS, "rx_fragments", "packets", "fragments of packets received")                         \
	X(RX_REASSEMBLED, "rx_reassembled", "packets", "put together from fragments")                       \
	X(RX_FRAGMENTS_LOST, "rx_fragments_dropped", "packets",                                             \
		"dropped: they overlap, are impossible or too many, or the others did not come")            \
	X(RX_MARTIAN, "rx_martian", "packets",                                                              \
		"dropped: TCP from an address that no other host can have, or sent to many on the link")    \
	X(RX_PUNTED, "rx_punted", "packets", "handed from the fast path to the slow path")                  \
	X(RX_PUNT_FULL, "rx_punt_full", "packets", "dropped: too many packets waited for the slow path")    \
	X(TCP_RX_SEGMENTS, "tcp_rx_segments", "segments", "TCP segments of open connections")               \
	X(TCP_RX_PAYLOAD, "tcp_rx_payload_bytes", "bytes", "new payload placed for applications, in order") \
	X(TCP_RX_OOO, "tcp_rx_out_of_order", "segments", "arrived past a gap and kept")                     \
	X(TCP_RX_DUP, "tcp_rx_duplicate", "segments", "held only bytes we had, or that did not fit")        \
	X(TCP_RX_OUTSIDE, "tcp_rx_outside_window", "segments", "dropped: outside the receive window")       \
	X(TCP_RX_PAWS, "tcp_rx_paws", "segments", "dropped: timestamp older than the last (PAWS)")          \
	X(TCP_RX_DUP_ACKS, "tcp_rx_duplicate_acks", "segments", "duplicate acknowledgements received")      \
	X(TCP_RX_DSACKS, "tcp_rx_dsacks", "segments", "reports of peers that something came twice")         \
	X(TCP_RX_URGENT, "tcp_rx_urgent", "pointers", "announcements of urgent data")                       \
	X(TCP_RX_CE, "tcp_rx_ce", "segments", "arrived marked: congestion on their way (ECN)")              \
	X(TCP_RX_ECE, "tcp_rx_ece", "segments", "acknowledgements that echoed congestion of ours (ECN)")    \
	X(TCP_RX_CHALLENGE, "tcp_challenge_acks", "segments", "challenge acknowledgements sent (RFC 5961)") \
	X(TCP_TX_SEGMENTS, "tcp_tx_segments", "segments", "segments sent with payload or FIN")              \
	X(TCP_TX_TSO, "tcp_tx_tso_packets", "packets",                                                      \
		"packets of several segments, left to the port to cut")                                     \
	X(TCP_TX_PAYLOAD, "tcp_tx_payload_bytes", "bytes",                                                  \
		"payload acknowledged by peers for the first time")                                         \
	X(TCP_TX_ACKS, "tcp_tx_acks", "segments", "bare acknowledgements sent")                             \
	X(TCP_TX_DSACKS, "tcp_tx_dsacks", "segments",                                                       \
		"arrived once more, in part or whole, as was reported (D-SACK)")                            \
	X(TCP_TX_RTX, "tcp_tx_retransmits", "segments", "segments sent again")                              \
	X(TCP_TX_RTX_BYTES, "tcp_tx_retransmit_bytes", "bytes", "payload sent again")                       \
	X(TCP_FAST_RECOVERIES, "tcp_fast_recoveries", "times", "fast recovery began")                       \
	X(TCP_TAIL_PROBES, "tcp_tail_probes", "segments", "tail loss probes sent (RFC 8985)")               \
	X(TCP_TIMEOUTS, "tcp_timeouts", "times", "retransmission timer expired")                            \
	X(TCP_UNDONE_RECOVERIES, "tcp_undone_recoveries", "times",                                          \
		"fast recovery proved to have been in vain, and was taken back")                            \
	X(TCP_UNDONE_TIMEOUTS, "tcp_undone_timeouts", "times",                                              \
		"a retransmission timeout proved to have been in vain (F-RTO, Eifel, D-SACK)")              \
	X(TCP_BLACK_HOLES, "tcp_black_holes", "times",                                                      \
		"segments made smaller, for full ones timed out again and again (RFC 4821)")                \
	X(TCP_PATH_GROWN, "tcp_path_grown", "times",                                                        \
		"segments made larger, for a probe of the path arrived")                                    \
	X(TCP_ZERO_WINDOW_PROBES, "tcp_zero_window_probes", "segments", "persist probes sent")              \
	X(TCP_ACTIVE_OPENS, "tcp_active_opens", "connections", "connections begun by applications")         \
	X(TCP_PASSIVE_OPENS, "tcp_passive_opens", "connections", "connections accepted by listeners")       \
	X(TCP_ATTEMPT_FAILS, "tcp_attempt_fails", "connections", "opens that never completed")              \
	X(TCP_ESTAB_RESETS, "tcp_established_resets", "connections",                                        \
		"open connections ended by RST, either way")                                                \
	X(TCP_TX_RSTS, "tcp_tx_resets", "segments", "RST segments sent")                                    \
	X(TCP_LISTEN_OVERFLOWS, "tcp_listen_overflows", "connections",                                      \
		"connection requests dropped: backlog full")                                                \
	X(TCP_COOKIES_SENT, "tcp_syn_cookies_sent", "segments",                                             \
		"SYNs answered without remembering them: a flood of them, or a backlog too short")          \
	X(TCP_COOKIES_OPENED, "tcp_syn_cookies_opened", "connections",                                      \
		"opened by an acknowledgement that brought a SYN cookie back")                              \
	X(TCP_COOKIES_FAILED, "tcp_syn_cookies_failed", "segments",                                         \
		"acknowledgements of a SYN cookie that was not ours, or too old; answered by RST")          \
	X(TCP_UNACCEPTED_DROPPED, "tcp_unaccepted_dropped", "segments",                                     \
		"not kept: nobody had accepted their connection, and no memory was left for it")            \
	X(TCP_UNACCEPTED_RESETS, "tcp_unaccepted_resets", "connections",                                    \
		"reset: their process left without accepting them, and no memory was left to keep them")    \
	X(TCP_TIME_WAIT_ENDED, "tcp_time_wait_ended", "connections",                                        \
		"ended early in TIME_WAIT to make way for new ones")                                        \
	X(TCP_ORPHANS_ENDED, "tcp_orphans_ended", "connections",                                            \
		"closed here and not by the peer, ended early to make way for new ones")                    \
	X(TCP_EMBRYOS_ENDED, "tcp_embryos_ended", "connections",                                            \
		"not completed by the peer, ended early to make way for new ones")                          \
	X(TCP_NO_MEMORY, "tcp_no_memory", "connections",                                                    \
		"refused: flow table, a user's share of it, or application memory exhausted")               \
	X(RINGS_GROWN, "rings_grown", "rings", "payload rings made larger, as they limited a connection")   \
	X(RINGS_NOT_GROWN, "rings_not_grown", "rings",                                                      \
		"payload rings that were not, as little memory is left or several processes have them")     \
	X(APP_BELLS, "app_bells", "messages", "messages taken from applications")                           \
	X(APP_FAULT_HANDLE, "app_fault_handle", "messages", "ignored: flow or generation not the sender's") \
	X(APP_FAULT_POSITION, "app_fault_position", "messages",                                             \
		"ignored: a position past the end of its ring")                                             \
	X(APP_FAULT_FLAGS, "app_fault_flags", "messages", "ignored: unknown flags or argument")             \
	X(APP_FAULT_RING, "app_fault_ring", "times", "a ring index that no honest library writes")          \
	X(APP_FAULT_WAKE, "app_fault_wake", "times",                                                        \
		"to wake an application took so long that it has to wait for it")                           \
	X(APP_NOTIFIES, "app_notifies", "messages", "notifications pushed to applications")                 \
	X(APP_NOTIFY_LOST, "app_notify_lost", "messages",                                                   \
		"not pushed: the application's ring claimed to be full")                                    \
	X(APP_WAKES, "app_wakes", "times", "sleeping applications woken by a system call")                  \
	X(APPS_ATTACHED, "apps_attached", "applications", "attached since start")                           \
	X(APPS_REFUSED, "apps_refused", "applications", "refused to attach")                                \
	X(APPS_CUT_OFF, "apps_cut_off", "applications", "cut off for what they did to their region")        \
	X(CORE_PASSES, "core_passes", "passes", "loop passes of fast-path cores")                           \
	X(CORE_BUSY_NS, "core_busy_ns", "ns", "time of passes that found work")                             \
	X(CORE_SLEEPS, "core_sleeps", "times", "fast-path cores went to sleep")                             \
	X(CORES_ADDED, "cores_added", "times", "one more core began to serve, for the load")                \
	X(CORES_REMOVED, "cores_removed", "times", "one core less: the others do without it")               \
	X(SLOW_BUSY_NS, "slow_busy_ns", "ns", "time the slow path worked")

enum tas_counter {
#define X(id, name, unit, help) CNT_##id,
	TAS_COUNTERS(X)
#undef X
		NR_COUNTERS
};

struct tas_counter_info {
	const char *name, *unit, *help;
};
extern const struct tas_counter_info tas_counter_info[NR_COUNTERS];

#endif
