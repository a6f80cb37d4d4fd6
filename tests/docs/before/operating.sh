# A server on a small fleet, whose host h1 is lost.
export TALLYMAN_DB=sqlite:/var/lib/tallyman/fleet.db
{
  tallyman region create eu
  tallyman host create h1 --region eu --cpu 32 --memory 128GB --disk 8TB
  tallyman org create acme
  tallyman image create p/v@1.0.0 --uri i:1 --cpu 8 --memory 16GB --disk 1TB
  tallyman node create n-1 --image p/v@1.0.0 --host h1
} >/dev/null
tallyman server --db "$TALLYMAN_DB" --listen 127.0.0.1:8080 &
until curl -fs http://127.0.0.1:8080/readyz; do sleep 0.1; done
