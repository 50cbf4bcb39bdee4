package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"

	"rapport/model"
)

// scopeOf returns the id of a scope that a grant names.
func (f *Office) scopeOf(ctx context.Context, scope string) (model.ID, error) {
	if scope == model.CompanyRecords {
		return model.CompanyScope, nil
	}
	id, err := f.user(ctx, scope)
	if err == nil && id == "" {
		err = model.Errorf(model.NotFound, "there is no user %q whose records could be shown", scope).
			WithHint("name a login, or %s for the records that nobody owns", model.CompanyRecords)
	}
	return id, err
}

// Grant shows somebody a scope beside what the person sees anyway.
func (f *Office) Grant(ctx context.Context, g model.ScopeGrant) error {
	if err := f.must(ctx, g.Login); err != nil {
		return err
	}
	scope, err := f.scopeOf(ctx, g.Scope)
	if err != nil {
		return err
	}
	write := 1
	if g.ReadOnly {
		write = 0
	}
	return f.do(ctx, "grant", fmt.Sprintf("INSERT INTO sync_scope_grant (login, scope, may_write, given) VALUES (%s, %s, %d, 1) ON DUPLICATE KEY UPDATE may_write = VALUES(may_write), given = 1",
		quote(g.Login), idLiteral(scope), write))
}

// Revoke takes a scope back that was given by hand. What the person sees by
// the reach of the own account stays.
func (f *Office) Revoke(ctx context.Context, login, scope string) error {
	if err := f.must(ctx, login); err != nil {
		return err
	}
	id, err := f.scopeOf(ctx, scope)
	if err != nil {
		return err
	}
	row := " FROM sync_scope_grant WHERE given = 1 AND login = " + quote(login) + " AND scope = " + idLiteral(id)
	given, err := f.text(ctx, "SELECT COUNT(*)"+row)
	if err != nil {
		return mapError("revoke", err)
	}
	if given == "0" {
		return model.Errorf(model.NotFound, "%s was not given the records of %s by hand", login, scope).
			WithHint("`central user edit %s --scope` changes how far a person sees", login)
	}
	if err := f.do(ctx, "revoke", "DELETE"+row); err != nil || !f.dialect.procedures() {
		return err
	}
	// The same scope may follow from how far the person sees.
	return f.do(ctx, "work out who sees what", "CALL sync_closure("+quote(login)+", NULL, NULL, NULL, NULL)")
}

// Grants lists what was given by hand.
func (f *Office) Grants(ctx context.Context, login string) ([]model.ScopeGrant, error) {
	where := ""
	if login != "" {
		if err := f.must(ctx, login); err != nil {
			return nil, err
		}
		where = " AND g.login = " + quote(login)
	}
	var out []model.ScopeGrant
	err := f.query(ctx, "SELECT g.login, COALESCE(u.login, IF(g.scope = "+idLiteral(model.CompanyScope)+", "+quote(model.CompanyRecords)+", LOWER(HEX(g.scope)))), g.may_write"+
		" FROM sync_scope_grant g LEFT JOIN user u ON u.id = g.scope WHERE g.given = 1"+where+" ORDER BY g.login, 2", func(_ int, v []driver.Value) error {
		out = append(out, model.ScopeGrant{Login: asText(v[0]), Scope: asText(v[1]), ReadOnly: asInt(v[2]) == 0})
		return nil
	})
	return out, mapError("list the grants", err)
}
