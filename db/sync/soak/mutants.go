package main

// Files that mutants change.
const (
	engineFile  = "db/sync/sync.go"
	loadFile    = "db/sync/load.go"
	applyFile   = "db/sqlite/replica_apply.go"
	batchFile   = "db/sqlite/replica_batch.go"
	pendingFile = "db/sqlite/pending.go"
	mergeFile   = "model/merge.go"
	lineageFile = "model/lineage.go"
	lostFile    = "db/sqlite/replica_lost.go"
	serverFile  = "db/sync/sim/server.go"
	centralFile = "db/sync/sim/central.go"
	txFile      = "db/sync/sim/tx.go"
	sessionFile = "db/mysql/central.go"
	triggerFile = "db/mysql/trigger.go"
	literalFile = "db/mysql/literal.go"
	singlyFile  = "db/mysql/singly.go"
	suspectFile = "db/sync/suspect.go"
)

// one is a mutant of one edit that the simulation notices.
func one(name, file, old, new string) mutant {
	return mutant{name: name, edits: []edit{{file, old, new}}}
}

// byTrap is a mutant of one edit that the simulation meets too seldom, noticed
// by the test of a trap.
func byTrap(name, run, file, old, new string) mutant {
	return mutant{name: name, edits: []edit{{file, old, new}}, run: run, pkg: "./db/sync"}
}

// onServer is a mutant of the real central, noticed by a comparison with the
// one in memory.
func onServer(name, file, old, new string) mutant {
	return mutant{name: name, edits: []edit{{file, old, new}}, run: "^TestServerInMemoryIsTrue$", args: []string{"-conforming=40"}}
}

// mutants break one rule each.
var mutants = []mutant{
	// What the server promises: the one in memory stands for it.
	one("the cursor is the generated id, not the order of commits", serverFile, "			s.seq++\n", "			s.seq = max(s.seq, c.oid)\n"),
	one("no receipt is kept", centralFile, "		s.receipts[key] = r\n", ""),
	one("a receipt has no outcome of each change", centralFile, "		s.receipts[key] = r\n",
		"		s.receipts[key] = receipt{nonce: r.nonce, found: slices.Repeat([]bool{true}, len(b.Ops))}\n"),
	one("the nonce of a batch is not checked", centralFile, "	if again && r.nonce != b.Nonce {", "	if false {"),
	one("a change is applied whatever the row holds now", centralFile, "		if row.Get(e, name) != op.Base[i] {", "		if row.Get(e, name) != op.Base[i] && e == nil {"),
	one("an insert takes the place of the row that is there", txFile, "	if t.row(k) != nil {\n		return errTwin\n	}\n", ""),
	one("a transaction's changes show before it commits", txFile, "	t.outbox = append(t.outbox, c)\n", "	t.server.outbox = append(t.server.outbox, c)\n"),
	one("the echo of one's own changes is filtered out", centralFile, "		if !told(e) || newest[k] != e.Seq {",
		"		if row := s.lookup(k); !told(e) || newest[k] != e.Seq || row != nil && row.Get(model.EntityOf(e.Table), model.ColumnUpdatedBy) == c.person {"),
	one("a deletion of another program does not reach the feed", serverFile, "			add(c.scopeOld, model.FeedDelete)\n", ""),

	one("compaction keeps one entry of a row, whatever its scope", serverFile, "told{rowKey{e.Table, e.ID}, e.scope}", "told{rowKey{e.Table, e.ID}, \"\"}"),
	one("a row that leaves a scope is not told there", serverFile, "			add(c.scopeOld, model.FeedLeave)\n", ""),

	// What the engine promises.
	one("the position is stored before the rows", engineFile, "			if err := r.apply(ctx, &page, next); err != nil {",
		"			if err := r.replica.SetPosition(ctx, next); err != nil {\n				return err\n			}\n			if err := r.apply(ctx, &page, next); err != nil {"),
	one("a restored server is taken for the same one", loadFile, "	case known && (!r.head.SameRun || r.head.Seq < r.at.Seq):", "	case known && r.head.Seq < r.at.Seq:"),
	one("a server with a new identity is taken for the same one", loadFile, "	case known && r.head.Epoch != r.at.Epoch, known", "	case known && r.head.Epoch == \"\", known"),
	one("a position that the feed does not reach back to is followed", loadFile, "	case r.at.Seq < r.head.MinSeq:", "	case r.head.MinSeq < 0:"),
	one("entries that go while they are asked for are missed", engineFile, "			if page.MinSeq > r.at.Seq {", "			if page.MinSeq < 0 {"),
	one("a copy of the workspace takes the original's receipts for its own", engineFile, "	if receipt.Foreign {",
		"	if receipt.Foreign {\n		receipt.Results = make([]model.PushResult, len(b.Ops))\n	}\n	if receipt.Foreign && len(b.Ops) == 0 {"),
	one("a standby that lags is believed", engineFile, "	if r.head.Behind(r.at) {", "	if r.head.Behind(r.at) && len(r.pushed) > 0 {"),
	one("rows are believed that have no position in the feed yet", engineFile, "			next.Ahead = r.doubtful || page.Nonce == \"\" || page.Nonce != r.head.Nonce\n", "			next.Ahead = r.doubtful\n"),
	byTrap("rows are forgotten that an earlier sync could not vouch for", "^TestT60RowsAheadOfTheFeed$", engineFile, "	r.doubtful, r.since = r.at.Ahead, r.at.Heard\n", "	r.since = r.at.Heard\n"),
	one("changes without a position are left there", engineFile, "		if r.head.Unsequenced == 0 || r.head.ReadOnly || caughtUp {", "		if caughtUp || r.head.Unsequenced >= 0 {"),
	one("a change of what a person may see is not followed", loadFile, "	case r.head.Access != r.at.Access:", "	case r.head.Access == \"\":"),
	one("two syncs of a workspace run at the same time", engineFile, "	if err != nil {\n		return model.SyncResult{}, err\n	}\n	defer release()",
		"	if err != nil {\n		release = func() {}\n	}\n	defer release()"),

	// What the cache promises.
	one("an edit made during the push counts as sent", batchFile, "	return record, moved, t.setBase(e, op.ID, base, !model.SameData(e, row, base))", "	return record, moved, t.setBase(e, op.ID, base, false)"),
	one("a change that clashed is forgotten", batchFile, "			case model.PushClashed:\n", "			case model.PushClashed:\n				if err := t.setBase(e, op.ID, nil, false); err != nil {\n					return err\n				}\n"),
	byTrap("an edit taken back during the push counts as never made", "^TestT48EditDuringPush$", batchFile, "	if !pending {\n		// Taken back", "	if !pending {\n		return record, moved, nil\n	}\n	if !pending {\n		// Taken back"),
	byTrap("a batch whose answer was lost is asked about after the rows are compared", "^TestT52LostAnswerThenPurge$", loadFile, "	if r.head.ReadOnly || mode == model.FirstLoad ||", "	if r.head.ReadOnly || mode != model.FirstLoad ||"),
	one("the base is not kept at the first edit", pendingFile, "	return t.storeBase(e, new, old)\n", "	return t.storeBase(e, new, new)\n"),
	one("an unsent edit is overwritten by what is pulled", applyFile, "	if pending {\n		left, err := t.isLeft(e, id)", "	if pending && base == nil {\n		left, err := t.isLeft(e, id)"),
	one("a removed row takes the unsent edits with it", applyFile, "	wanted := !binned && (ownerNew ||", "	wanted := binned && (ownerNew ||"),
	one("a batch is not frozen before it is sent", batchFile, "frozen != nil || err != nil {", "frozen != nil && err != nil {"),
	one("batches share a number", batchFile, "	n++\n	return n, t.setState", "	n = max(n, 1)\n	return n, t.setState"),
	{name: "a refused change counts as sent", edits: []edit{
		{batchFile, "			case model.PushApplied:\n", "			case model.PushApplied, model.PushRefused:\n"},
		{batchFile, "			case model.PushRefused:\n", "			case model.PushOutcome(99):\n"},
	}},
	one("a field in conflict is sent all the same", batchFile, "		if held[i] {\n			continue\n		}\n", "		if held[i] && false {\n			continue\n		}\n"),
	one("what a restored server lost is not offered again", applyFile, "	} else if known != nil && a.regain {", "	} else if known != nil && a.regain && local == nil {"),
	byTrap("what was removed on a restored server is offered again", "^TestT60RemovedBeforeItIsOffered$", lostFile, "lost := known == nil || !model.Removed(", "lost := known == nil || true || !model.Removed("),
	byTrap("what a restore gives up is offered again", "^TestT60Discarded$", loadFile, "		if discards {\n", "		if discards && false {\n"),
	byTrap("a change that was sent and not read from the feed is not missed", "^TestT60SentAndNotPulled$", batchFile, "		version := versionOf(e, base) + 1\n", "		version := versionOf(e, base)\n"),
	one("of a row that somebody changed on a restored server nothing is offered", lineageFile, "		version--\n", ""),
	byTrap("what somebody did on a restored server is changed back", "^TestT60OfferedByAnother$", lineageFile, "			copyAt(base, known, g.cols)\n", ""),
	one("a new row that was sent stays new", batchFile, "		base.Set(e, model.ColumnVersion, int64(0))\n", "		base = nil\n		return record, false, nil\n"),

	// What the merge promises.
	one("a deletion beats an edit", mergeFile, "	case !mineGone && theirsGone && (mineEdited || base[d] != nil):", "	case !mineGone && theirsGone && false:"),
	one("the server's value wins over an unsent edit", mergeFile, "		case same(theirs, base):\n			copyAt(out.Row, mine, g.cols)", "		case same(theirs, base):\n			copyAt(out.Row, theirs, g.cols)"),
	one("an edit before an undone deletion is dropped", mergeFile, "			out.Revived, out.DeletedAt = true, mine[d]\n", "			out = Merged{Row: slices.Clone(theirs), Base: slices.Clone(theirs), Revived: true, DeletedAt: mine[d]}\n"),

	// What the real server needs.
	byTrap("a session whose transaction was undone goes on in it", "^TestT27UndoneElsewhere$", singlyFile, "	c.undone = passing(err)\n", "	c.undone = false\n"),
	byTrap("rows of a table that cannot be read count as removed", "^TestT88UnreadableIsNotGone$", suspectFile, "!read {", "!read && len(asked[e.Noun]) == 0 {"),
	onServer("the sequencer reads repeatably", sessionFile, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;", "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;"),
	onServer("the sequencer may scan the outbox", triggerFile, "sync_outbox o FORCE INDEX (PRIMARY) ON", "sync_outbox o IGNORE INDEX (PRIMARY) ON"),
	onServer("a push compares texts without their case", literalFile, "		return \"CAST(CONVERT(\" + col + \" USING utf8mb4) AS BINARY) <=> CAST(\" + lit + \" AS BINARY)\"\n", "		return col + \" <=> \" + lit\n"),
	onServer("triggers compare texts without their case", triggerFile, "		return \"CAST(\" + n + \" AS BINARY)\"\n", "		return n\n"),
}
