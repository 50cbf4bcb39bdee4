package workspace

import lib "modernc.org/sqlite/lib"

// SQLiteVersion is that of the SQLite in this program.
const SQLiteVersion = lib.SQLITE_VERSION
