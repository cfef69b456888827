/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_pseg.h"

#include <string.h>

enum { ETH = 14, IP4 = 20, IP6 = 40, TCP = 20 };

static uint32_t get(const uint8_t *p, unsigned bytes)
{
	uint32_t v = 0;

	while (bytes-- > 0)
		v = v << 8 | *p++;
	return v;
}

static void put(uint8_t *p, uint32_t v, unsigned bytes)
{
	while (bytes-- > 0) {
		p[bytes] = (uint8_t)v;
		v >>= 8;
	}
}

uint32_t pseg_sum(const uint8_t *p, uint32_t len, uint32_t s)
{
	for (uint32_t i = 0; i < len; i++)
		s += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

/* With the pseudo-header: addresses, protocol and length (RFC 9293 3.1, RFC 8200 8.1). */
static uint32_t upper_sum(bool v6, const uint8_t *ip, const uint8_t *upper, uint32_t len, uint32_t protocol)
{
	return pseg_sum(upper, len,
		v6 ? pseg_sum(ip + 8, 32, protocol + len) : pseg_sum(ip + 12, 8, protocol + len));
}

/* --- reading --- */

static void read_option(struct pseg *s, uint8_t kind, const uint8_t *p, unsigned len)
{
	if (kind == 2 && len == 2)
		s->mss = (uint16_t)get(p, 2);
	else if (kind == 3 && len == 1)
		s->wscale = *p;
	else if (kind == 4 && len == 0)
		s->sack_ok = true;
	else if (kind == 8 && len == 8) {
		s->has_ts = true;
		s->ts_val = get(p, 4);
		s->ts_ecr = get(p + 4, 4);
	} else if (kind == 5) {
		for (; len >= 8 && s->nsack < PSEG_SACKS; p += 8, len -= 8, s->nsack++) {
			s->sack[s->nsack][0] = get(p, 4);
			s->sack[s->nsack][1] = get(p + 4, 4);
		}
	}
}

static bool read_options(struct pseg *s, const uint8_t *p, const uint8_t *end)
{
	while (p < end && *p != 0) {
		if (*p == 1) {
			p++;
			continue;
		}
		if (end - p < 2 || p[1] < 2 || p[1] > end - p)
			return false;
		read_option(s, p[0], p + 2, p[1] - 2u);
		p += p[1];
	}
	return true;
}

static bool read_ip(const uint8_t *ip, uint32_t room, uint32_t type, struct pseg *s, uint32_t *total)
{
	if (type == 0x0800 && room >= IP4 && ip[0] == 0x45 && ip[9] == 6 && pseg_sum(ip, IP4, 0) == 0xffff) {
		*total = get(ip + 2, 2);
		s->src = get(ip + 12, 4);
		s->dst = get(ip + 16, 4);
		return true;
	}
	if (type == 0x86dd && room >= IP6 && ip[0] >> 4 == 6 && ip[6] == 6) {
		s->v6 = true;
		*total = IP6 + get(ip + 4, 2);
		s->src = get(ip + 20, 4);
		s->dst = get(ip + 36, 4);
		return true;
	}
	return false;
}

bool pseg_read(const uint8_t *frame, uint32_t frame_len, struct pseg *s)
{
	const uint8_t *ip = frame + ETH, *tcp;
	uint32_t room = frame_len - ETH, total, header, ip_len;

	*s = (struct pseg){ .wscale = -1 };
	if (frame_len < ETH || !read_ip(ip, room, get(frame + 12, 2), s, &total))
		return false;
	ip_len = s->v6 ? IP6 : IP4;
	tcp = ip + ip_len;
	if (total > room || total < ip_len + TCP)
		return false;
	header = (tcp[12] >> 4) * 4u;
	if (total < ip_len + header || header < TCP || upper_sum(s->v6, ip, tcp, total - ip_len, 6) != 0xffff)
		return false;
	s->sport = (uint16_t)get(tcp, 2);
	s->dport = (uint16_t)get(tcp + 2, 2);
	s->seq = get(tcp + 4, 4);
	s->ack = get(tcp + 8, 4);
	s->flags = tcp[13];
	s->wnd = (uint16_t)get(tcp + 14, 2);
	s->payload = tcp + header;
	s->len = total - ip_len - header;
	return read_options(s, tcp + TCP, tcp + header);
}

/* --- writing --- */

static uint8_t *option(uint8_t *p, uint8_t kind, uint8_t len)
{
	p[0] = kind;
	p[1] = len;
	return p + 2;
}

static uint8_t *write_syn_options(uint8_t *p, const struct pseg *s)
{
	if (s->strange) {
		put(option(p, 254, 4), 0xbeef, 2);
		p += 4;
		*p++ = 1;
	}
	if (s->mss != 0) {
		put(option(p, 2, 4), s->mss, 2);
		p += 4;
	}
	if (s->wscale >= 0) {
		*option(p, 3, 3) = (uint8_t)s->wscale;
		p += 3;
	}
	if (s->sack_ok)
		p = option(p, 4, 2);
	return p;
}

static uint8_t *write_options(uint8_t *p, const struct pseg *s)
{
	p = write_syn_options(p, s);
	if (s->has_ts) {
		put(option(p, 8, 10), s->ts_val, 4);
		put(p + 6, s->ts_ecr, 4);
		p += 10;
	}
	if (s->nsack > 0) {
		option(p, 5, (uint8_t)(2 + 8 * s->nsack));
		for (unsigned i = 0; i < s->nsack; i++) {
			put(p + 2 + 8 * i, s->sack[i][0], 4);
			put(p + 6 + 8 * i, s->sack[i][1], 4);
		}
		p += 2 + 8 * s->nsack;
	}
	return p;
}

static void write_ip(uint8_t *ip, const struct pseg *s, uint32_t len)
{
	memset(ip, 0, s->v6 ? IP6 : IP4);
	if (s->v6) {
		ip[0] = 0x60;
		put(ip + 4, len, 2);
		ip[6] = 6;
		ip[7] = 64;
		ip[8] = ip[24] = 0xfd;
		put(ip + 20, s->src, 4);
		put(ip + 36, s->dst, 4);
		return;
	}
	ip[0] = 0x45;
	put(ip + 2, IP4 + len, 2);
	ip[8] = 64;
	ip[9] = 6;
	put(ip + 12, s->src, 4);
	put(ip + 16, s->dst, 4);
	put(ip + 10, ~pseg_sum(ip, IP4, 0), 2);
}

uint32_t pseg_write(uint8_t *frame, const struct pseg *s, const uint8_t src_mac[6], const uint8_t dst_mac[6])
{
	uint32_t ip_len = s->v6 ? IP6 : IP4, len;
	uint8_t *ip = frame + ETH, *tcp = ip + ip_len, *end;

	memcpy(frame, dst_mac, 6);
	memcpy(frame + 6, src_mac, 6);
	put(frame + 12, s->v6 ? 0x86dd : 0x0800, 2);
	memset(tcp, 0, TCP + 40);
	put(tcp, s->sport, 2);
	put(tcp + 2, s->dport, 2);
	put(tcp + 4, s->seq, 4);
	put(tcp + 8, s->ack, 4);
	end = write_options(tcp + TCP, s);
	while ((end - tcp) % 4 != 0)
		*end++ = 0;
	tcp[12] = (uint8_t)((end - tcp) / 4 << 4);
	tcp[13] = s->flags;
	put(tcp + 14, s->wnd, 2);
	put(tcp + 18, s->urgent, 2);
	if (s->len > 0)
		memcpy(end, s->payload, s->len);
	len = (uint32_t)(end - tcp) + s->len;
	write_ip(ip, s, len);
	put(tcp + 16, ~upper_sum(s->v6, ip, tcp, len, 6), 2);
	return ETH + ip_len + len;
}

/* --- ARP (RFC 826), neighbour solicitations (RFC 4861 4.3, 4.4) --- */

static uint32_t nd_answer(uint8_t *answer, const uint8_t *frame, uint32_t ip, const uint8_t mac[6])
{
	const uint8_t *asked = frame + ETH, *icmp = asked + IP6;
	uint8_t *to = answer + ETH + IP6;

	if (icmp[0] != 135 || get(icmp + 20, 4) != ip || icmp[8] != 0xfd || asked[8] == 0)
		return 0;
	memcpy(answer, frame + 6, 6);
	memcpy(answer + 6, mac, 6);
	memcpy(answer + 12, frame + 12, 2);
	memset(answer + ETH, 0, IP6 + 32);
	answer[ETH] = 0x60;
	answer[ETH + 5] = 32;
	answer[ETH + 6] = 58;
	answer[ETH + 7] = 255;
	memcpy(answer + ETH + 8, icmp + 8, 16);
	memcpy(answer + ETH + 24, asked + 8, 16);
	to[0] = 136;
	to[4] = 0x60;
	memcpy(to + 8, icmp + 8, 16);
	to[24] = 2;
	to[25] = 1;
	memcpy(to + 26, mac, 6);
	put(to + 2, ~upper_sum(true, answer + ETH, to, 32, 58), 2);
	return ETH + IP6 + 32;
}

uint32_t parp_answer(uint8_t *answer, const uint8_t *frame, uint32_t frame_len, uint32_t ip,
	const uint8_t mac[6])
{
	const uint8_t *arp = frame + ETH;

	if (frame_len >= ETH + IP6 + 24 && get(frame + 12, 2) == 0x86dd && arp[6] == 58)
		return nd_answer(answer, frame, ip, mac);
	if (frame_len < ETH + 28 || get(frame + 12, 2) != 0x0806 || get(arp + 6, 2) != 1 ||
		get(arp + 24, 4) != ip)
		return 0;
	memcpy(answer, arp + 8, 6);
	memcpy(answer + 6, mac, 6);
	memcpy(answer + 12, frame + 12, 2 + 6);
	put(answer + ETH + 6, 2, 2);
	memcpy(answer + ETH + 8, mac, 6);
	put(answer + ETH + 14, ip, 4);
	memcpy(answer + ETH + 18, arp + 8, 10);
	return ETH + 28;
}
