# An org with a node.
export TALLYMAN_DB=sqlite:/var/lib/tallyman/fleet.db
{
  tallyman region create eu
  tallyman host create h1 --region eu --cpu 32 --memory 128GB --disk 8TB
  tallyman org create acme
  tallyman image create p/v@1.0.0 --uri i:1 --cpu 8 --memory 16GB --disk 1TB
  tallyman node create n-1 --image p/v@1.0.0 --host h1
} >/dev/null
