package mysql

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// gtid is MariaDB's name of a transaction: numbers run within a domain,
// whichever server writes.
type gtid struct{ domain, server, seq int64 }

// gtids are transactions, of which a position names one for each domain and a
// server's state one for each domain and server.
type gtids []gtid

// readGTIDs reads what MariaDB writes as "0-1-100,1-2-7". What is none is left
// out.
func readGTIDs(s string) gtids {
	var out gtids
	for _, part := range strings.Split(s, ",") {
		p := strings.Split(strings.TrimSpace(part), "-")
		if len(p) != 3 {
			continue
		}
		var g gtid
		ok := true
		for i, to := range []*int64{&g.domain, &g.server, &g.seq} {
			n, err := strconv.ParseInt(p[i], 10, 64)
			*to, ok = n, ok && err == nil
		}
		if ok {
			out = append(out, g)
		}
	}
	return out
}

func (g gtid) String() string { return fmt.Sprintf("%d-%d-%d", g.domain, g.server, g.seq) }

func (gs gtids) String() string {
	parts := make([]string, len(gs))
	for i, g := range gs {
		parts[i] = g.String()
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

// last returns the highest number of each domain.
func (gs gtids) last() map[int64]int64 {
	out := map[int64]int64{}
	for _, g := range gs {
		out[g.domain] = max(out[g.domain], g.seq)
	}
	return out
}

// beyond counts the transactions that a position has and another lacks, where
// both are of one history.
func (gs gtids) beyond(other gtids) int64 {
	have, n := other.last(), int64(0)
	for domain, seq := range gs.last() {
		n += max(0, seq-have[domain])
	}
	return n
}

// lacking returns the last transactions of a server that are not in the
// history of another, and how many are not: those that it wrote after the other
// had taken its place. mine and theirs are what is known of each one's history.
func (gs gtids) lacking(mine, theirs gtids) (missing gtids, n int64) {
	for _, g := range gs {
		parted, there := int64(0), false // where the two parted
		for _, t := range theirs {
			if t.domain != g.domain {
				continue
			}
			there = there || t.server == g.server && t.seq >= g.seq
			for _, m := range mine {
				if m.domain == t.domain && m.server == t.server {
					parted = max(parted, min(m.seq, t.seq))
				}
			}
		}
		if !there {
			missing = append(missing, g)
			n += max(1, g.seq-parted)
		}
	}
	return missing, n
}

// merged joins two states, with the higher number of each domain and server.
func (gs gtids) merged(other gtids) gtids {
	type key struct{ domain, server int64 }
	all := map[key]int64{}
	for _, g := range slices.Concat(gs, other) {
		k := key{g.domain, g.server}
		all[k] = max(all[k], g.seq)
	}
	var out gtids
	for k := range maps.Keys(all) {
		out = append(out, gtid{k.domain, k.server, all[k]})
	}
	return out
}
