/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rows of a tree of snapshots; see the header. */

#include "ui/snapshot-tree.h"

enum
{
  NONE = -1
};

typedef struct
{
  const Snapshot *snapshot;
  int parent;           /* index; NONE: a tree's first */
  int heir;             /* the child that goes on in the same column */
  gint64 newest;        /* time of the youngest that descends from it */
  GArray *branches;     /* indices of the other children, youngest first; NULL: none */
} Node;

typedef struct
{
  Node *nodes;
  guint count;
  GArray *places;
} Tree;

static int
compare_newest (gconstpointer a, gconstpointer b, gpointer data)
{
  const Tree *tree = data;
  gint64 newest_a = tree->nodes[*(const int *) a].newest, newest_b = tree->nodes[*(const int *) b].newest;

  if (newest_a != newest_b)
    return newest_a > newest_b ? -1 : 1;
  /* Of one second: the one that was listed later. */
  return *(const int *) a > *(const int *) b ? -1 : 1;
}

/* The present state is one more node, younger than all. */
static void
fill_nodes (Tree *tree, const GPtrArray *snapshots)
{
  g_autoptr (GHashTable) indices = g_hash_table_new (g_str_hash, g_str_equal);
  Node *present = &tree->nodes[snapshots->len];

  *present = (Node) { .parent = NONE, .heir = NONE, .newest = G_MAXINT64 };
  for (guint i = 0; i < snapshots->len; i++)
    {
      const Snapshot *snapshot = snapshots->pdata[i];
      gpointer parent;
      Node *node = &tree->nodes[i];

      *node = (Node) { .snapshot = snapshot, .parent = NONE, .heir = NONE, .newest = snapshot->created };
      /* Parents come before their children: what is not known by now is not in the list. */
      if (snapshot->parent != NULL && g_hash_table_lookup_extended (indices, snapshot->parent, NULL, &parent))
        node->parent = GPOINTER_TO_INT (parent);
      if (snapshot->is_current)
        present->parent = (int) i;
      g_hash_table_insert (indices, snapshot->uuid, GINT_TO_POINTER ((int) i));
    }
}

static void
link_children (Tree *tree)
{
  /* Children come after their parents, so that what a parent hears from them is complete. */
  for (int i = (int) tree->count - 1; i >= 0; i--)
    {
      Node *node = &tree->nodes[i], *parent = node->parent != NONE ? &tree->nodes[node->parent] : NULL;

      if (parent == NULL)
        continue;
      parent->newest = MAX (parent->newest, node->newest);
      if (parent->branches == NULL)
        parent->branches = g_array_new (FALSE, FALSE, sizeof (int));
      g_array_append_val (parent->branches, i);
    }
  for (guint i = 0; i < tree->count; i++)
    {
      Node *node = &tree->nodes[i];

      if (node->branches == NULL)
        continue;
      g_array_sort_with_data (node->branches, compare_newest, tree);
      node->heir = g_array_index (node->branches, int, 0);
      g_array_remove_index (node->branches, 0);
    }
}

/* The column from its top down to @base, each with the branches off it above it. */
static void
place_column (Tree *tree, int base, guint column, gboolean with_present)
{
  int top = base;

  while (tree->nodes[top].heir != NONE)
    top = tree->nodes[top].heir;
  for (int i = top;; i = tree->nodes[i].parent)
    {
      const Node *node = &tree->nodes[i];
      SnapshotPlace place = { .snapshot = node->snapshot,
                              .column = column,
                              .has_above = i != top,
                              .below = i != base                ? SNAPSHOT_BELOW_PARENT
                                       : node->parent != NONE ? SNAPSHOT_BELOW_JOINS
                                                              : SNAPSHOT_BELOW_NOTHING,
                              .with_present = with_present };

      for (guint j = 0; node->branches != NULL && j < node->branches->len; j++)
        place_column (tree, g_array_index (node->branches, int, j), column + 1, with_present);
      g_array_append_val (tree->places, place);
      if (i == base)
        break;
    }
}

GArray *
snapshot_tree_arrange (const GPtrArray *snapshots)
{
  Tree tree = { .nodes = g_new (Node, snapshots->len + 1),
                .count = snapshots->len + 1,
                .places = g_array_new (FALSE, FALSE, sizeof (SnapshotPlace)) };
  g_autoptr (GArray) roots = g_array_new (FALSE, FALSE, sizeof (int));

  fill_nodes (&tree, snapshots);
  link_children (&tree);
  for (int i = 0; i < (int) tree.count; i++)
    if (tree.nodes[i].parent == NONE)
      g_array_append_val (roots, i);
  g_array_sort_with_data (roots, compare_newest, &tree);
  for (guint i = 0; i < roots->len; i++)
    {
      int root = g_array_index (roots, int, i);

      place_column (&tree, root, 0, tree.nodes[root].newest == G_MAXINT64);
    }
  for (guint i = 0; i < tree.count; i++)
    g_clear_pointer (&tree.nodes[i].branches, g_array_unref);
  g_free (tree.nodes);
  return tree.places;
}
