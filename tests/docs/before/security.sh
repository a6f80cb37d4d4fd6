# An org.
export TALLYMAN_DB=sqlite:/var/lib/tallyman/fleet.db
{
  tallyman org create acme
} >/dev/null
